package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;

/**
 * How the blocks of one KV head are cut into ranges, so that threads share work when there are few KV heads. The cut
 * depends on the count of blocks alone, never on threads: partial sums are then the same whoever computes them.
 */
final class BlockRanges {
    /** Ranges of one KV head at most. */
    static final int MAX_RANGES = 32;

    private static final int QUAD = 4;
    /** Parts of all KV heads together, which is enough to share and leaves ranges long: the start of each costs. */
    private static final int PARTS = 64;

    private static final int RANGE_BYTES = 256 << 10;
    private static final int ALONE_BYTES = 64 << 10;

    private final int kvHeads;
    private final int tileBytes;
    private final int shortestRange;
    private final int mostRanges;
    private int blocks;
    private int rangeBlocks = QUAD;
    private int ranges;

    BlockRanges(CacheGeometry geometry) {
        kvHeads = geometry.kvHeads();
        tileBytes = geometry.tileBytes();
        mostRanges = Math.min(MAX_RANGES, (PARTS + kvHeads - 1) / kvHeads);
        shortestRange = quads((RANGE_BYTES + tileBytes - 1) / tileBytes);
    }

    private static int quads(int blocks) {
        return (blocks + QUAD - 1) / QUAD * QUAD;
    }

    /** Cuts {@code count} blocks per KV head. */
    void cut(int count) {
        blocks = count;
        rangeBlocks = Math.max(shortestRange, quads((count + mostRanges - 1) / mostRanges));
        ranges = Math.max(1, (count + rangeBlocks - 1) / rangeBlocks);
    }

    /** Ranges per KV head, 1 or more. */
    int ranges() {
        return ranges;
    }

    /** First block of a range. */
    int from(int range) {
        return range * rangeBlocks;
    }

    /** Block behind a range's last one. */
    int to(int range) {
        return Math.min(blocks, (range + 1) * rangeBlocks);
    }

    /** Whether waking other threads would cost more than it saves. */
    boolean tiny() {
        return (long) blocks * kvHeads * tileBytes < ALONE_BYTES;
    }
}
