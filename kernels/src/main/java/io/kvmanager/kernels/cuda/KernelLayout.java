package io.kvmanager.kernels.cuda;

import io.kvmanager.CacheGeometry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The host's side of {@code layout.cuh}: constants that launches and kernels share, structures, and scratch. */
final class KernelLayout {
    /** Tokens whose scores one CTA computes. */
    static final int SCORE_RANGE = 128;

    /** Tokens that one CTA turns from scores into weights. */
    static final int NORMALISE_RANGE = 1024;

    /** Rows of V that one CTA sums up. */
    static final int VALUE_ROWS = 256;

    /** Vectors of a row that one CTA sums up. */
    static final int VALUE_COLUMNS = 32;

    /** Queries of a prompt that one CTA attends for. */
    static final int PROMPT_ROWS = 32;

    /** Elements of their output that it computes. */
    static final int PROMPT_COLUMNS = 128;

    /** Slots that one CTA scores by attention. */
    static final int SCORED_COLUMNS = 16;

    /** Table entries that one launch can set. */
    static final int MAX_INT_WRITES = 320;

    /** Blocks that one launch can load: parameters are 4 KiB at most. */
    static final int MAX_PIECES = 250;

    /** Homes that one launch can invalidate. */
    static final int MAX_HOMES = 960;

    /** Query heads that share one pass over K or V, at most. */
    static final int MAX_HEADS = 8;

    /** Bytes of one load of one thread. */
    static final int VECTOR_BYTES = 16;

    /** Threads of the CTAs that choose tiles. */
    static final int CHOOSERS = 256;

    /** Unit of summed masses, as a power of two: 2^54 units are a mass of 1. */
    static final int MASS_UNIT_BITS = 54;

    /** Bytes of a {@code CacheShape}. */
    static final int SHAPE = 40;

    private KernelLayout() {}

    /** A {@code CacheShape}. */
    static MemorySegment shape(Arena arena, CacheGeometry geometry, MemorySegment slab) {
        MemorySegment shape = arena.allocate(SHAPE, 8);
        shape.set(ValueLayout.JAVA_LONG, 0, slab.address());
        shape.set(ValueLayout.JAVA_INT, 8, geometry.queryHeads());
        shape.set(ValueLayout.JAVA_INT, 12, geometry.kvHeads());
        shape.set(ValueLayout.JAVA_INT, 16, geometry.headSize());
        shape.set(ValueLayout.JAVA_INT, 20, geometry.blockTokens());
        shape.set(ValueLayout.JAVA_INT, 24, Integer.numberOfTrailingZeros(geometry.blockTokens()));
        shape.set(ValueLayout.JAVA_INT, 28, geometry.rowBytes());
        shape.set(ValueLayout.JAVA_INT, 32, geometry.tileBytes());
        shape.set(ValueLayout.JAVA_FLOAT, 36, (float) (1 / Math.sqrt(geometry.headSize())));
        return shape;
    }

    /** Query heads that one CTA serves: a power of two that holds the GQA group, or the most there is. */
    static int heads(CacheGeometry geometry) {
        int group = geometry.groupSize();
        return group >= MAX_HEADS ? MAX_HEADS : Integer.highestOneBit(2 * group - 1);
    }

    /** Passes over K or V that a GQA group needs. */
    static int chunks(CacheGeometry geometry) {
        return Math.ceilDiv(geometry.groupSize(), heads(geometry));
    }

    /** Partial sums of a query head over a list of at most {@code entries} tiles. */
    static int splits(CacheGeometry geometry, int entries) {
        return Math.ceilDiv(entries, Math.max(1, VALUE_ROWS / geometry.blockTokens()));
    }

    /**
     * Bytes at the front of a workspace's scratch that stay from the choice of tiles to the end of the attention:
     *
     * <pre>
     * missed [queryHeads] F64 | settled [kvHeads] int32
     * </pre>
     */
    static long keptScratch(CacheGeometry geometry) {
        return 16L * Math.ceilDiv(8 * geometry.queryHeads() + 4 * geometry.kvHeads(), 16);
    }

    /** Address of {@code settled}: not 0 for KV heads whose outputs stay as they are. */
    static long settled(CacheGeometry geometry, MemorySegment scratch) {
        return scratch.address() + 8L * geometry.queryHeads();
    }

    /** Address of the scratch that every kernel may write over. */
    static long passing(CacheGeometry geometry, MemorySegment scratch) {
        return scratch.address() + keptScratch(geometry);
    }

    static long scoreScratch(CacheGeometry geometry, int tokens) {
        return 8L * geometry.queryHeads() * Math.ceilDiv(tokens, SCORE_RANGE);
    }

    static long valueScratch(CacheGeometry geometry, int entries) {
        return 4L * geometry.queryRowElements() * splits(geometry, entries);
    }

    /**
     * Where the parts of a choice's scratch start, in the order of the {@code Choice} that points at them, and last the
     * size of it all. Behind what stays:
     *
     * <pre>
     * needs [queryHeads] 16 bytes | keys | missTiles, [kvHeads][stride] int32 | missCounts | hitCounts
     * shares [queryHeads][stride] F32
     * </pre>
     *
     * @param stride entries of a row of masses, blocks
     */
    static long[] choiceOffsets(CacheGeometry geometry, int stride) {
        long table = 4L * geometry.kvHeads() * stride;
        long missed = 0;
        long settled = 8L * geometry.queryHeads();
        long needs = keptScratch(geometry);
        long keys = needs + 16L * geometry.queryHeads();
        long missCounts = keys + 2 * table;
        long hitCounts = missCounts + 4L * (geometry.kvHeads() + 1);
        long shares = hitCounts + 4L * geometry.kvHeads();
        long end = shares + 4L * geometry.queryHeads() * stride;
        return new long[] {missed, settled, needs, keys, keys + table, missCounts, hitCounts, shares, end};
    }

    /** Scratch bytes of a workspace: what the neediest kernel takes, since they run one after the other. */
    static long scratchBytes(CacheGeometry geometry, int tokens) {
        int blocks = geometry.blocksFor(tokens);
        int stride = geometry.blocksFor(blocks) * geometry.blockTokens();
        long[] choice = choiceOffsets(geometry, stride);
        long sums = Math.max(scoreScratch(geometry, blocks * geometry.blockTokens()), valueScratch(geometry, blocks));
        long bytes = Math.max(keptScratch(geometry) + sums, choice[choice.length - 1]);
        return (bytes + 7) / 8 * 8;
    }
}
