package io.kvmanager.kernels;

import static io.kvmanager.kernels.KeyPanel.QUAD;
import static io.kvmanager.kernels.KeyPanel.SLOTS;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Decode scores and softmax weights.
 *
 * <ol>
 *   <li>per KV head and block range, panel by panel of 64 slots: scores, and {@link VectorSoftmax#panel} of each
 *       query head
 *   <li>per query head: {@link VectorSoftmax#join} over its ranges
 * </ol>
 */
final class VectorScores {
    private final CacheGeometry geometry;
    private final WorkerGroup workers;
    private final float[] queries;
    private final BlockRanges ranges;
    private final VectorSoftmax softmax;
    private final ScratchPool<Scratch> scratch;
    private final int blockTokens;
    private final int groupSize;
    private final int headSize;
    private final int quads;
    private final RangePart rangePart = new RangePart();
    private final JoinPart joinPart = new JoinPart();
    private MemorySegment table = MemorySegment.NULL;
    private @Nullable AttentionWorkspace workspace;
    private int tokens;

    VectorScores(CacheGeometry geometry, MemorySegment slab, BlockRows rows, WorkerGroup workers) {
        this.geometry = geometry;
        this.workers = workers;
        this.ranges = new BlockRanges(geometry);
        this.softmax = new VectorSoftmax(geometry);
        this.scratch = new ScratchPool<>(workers.threads(), () -> new Scratch(new KeyPanel(geometry, slab, rows)));
        this.blockTokens = geometry.blockTokens();
        this.groupSize = geometry.groupSize();
        this.headSize = geometry.headSize();
        this.quads = (groupSize + QUAD - 1) / QUAD;
        this.queries = new float[geometry.kvHeads() * quads * QUAD * headSize];
    }

    /** One thread's panel and what it gives. */
    private static final class Scratch {
        final KeyPanel keys;
        final float[] scores = new float[QUAD * SLOTS];

        Scratch(KeyPanel keys) {
            this.keys = keys;
        }
    }

    void scores(MemorySegment q, MemorySegment keyTable, int tokenCount, AttentionWorkspace space) {
        table = keyTable;
        workspace = space;
        tokens = tokenCount;
        prepare(q);
        ranges.cut(geometry.blocksFor(tokenCount));
        run(geometry.kvHeads() * ranges.ranges(), rangePart);
        run(geometry.queryHeads(), joinPart);
    }

    private void prepare(MemorySegment q) {
        float scale = (float) (1 / Math.sqrt(headSize));
        for (int head = 0; head < geometry.queryHeads(); head++) {
            int inGroup = head % groupSize;
            int quad = head / groupSize * quads + inGroup / QUAD;
            int at = quad * QUAD * headSize + inGroup % QUAD;
            KeyPanel.query(q, (long) head * headSize, headSize, scale, queries, at);
        }
    }

    private void run(int parts, WorkerGroup.Part part) {
        if (ranges.tiny()) {
            for (int i = 0; i < parts; i++) {
                part.run(i);
            }
        } else {
            workers.run(parts, part);
        }
    }

    /** One range of one KV head. */
    private final class RangePart implements WorkerGroup.Part {
        @Override
        public void run(int part) {
            int kvHead = part / ranges.ranges();
            int range = part % ranges.ranges();
            int from = ranges.from(range) * blockTokens;
            int to = ranges.to(range) * blockTokens;
            int piece = scratch.take();
            try {
                Scratch own = scratch.get(piece);
                for (int first = from; first < to; first += SLOTS) {
                    panel(own, kvHead, range, first, from, to);
                }
            } finally {
                scratch.giveBack(piece);
            }
        }
    }

    /** One query head. */
    private final class JoinPart implements WorkerGroup.Part {
        @Override
        public void run(int head) {
            softmax.join(Objects.requireNonNull(workspace), head, ranges);
        }
    }

    /** Slots {@code first..first+63} of the range {@code from..to-1}, or as many as there are. */
    private void panel(Scratch own, int kvHead, int range, int first, int from, int to) {
        AttentionWorkspace space = Objects.requireNonNull(workspace);
        int count = Math.min(SLOTS, to - first);
        own.keys.load(table, kvHead, first, count);
        own.keys.expect(table, kvHead, first + SLOTS, Math.min(SLOTS, to - first - count));
        for (int quad = 0; quad < quads; quad++) {
            own.keys.scores(queries, (kvHead * quads + quad) * QUAD * headSize, own.scores);
            int head = kvHead * groupSize + quad * QUAD;
            for (int i = 0; i < Math.min(QUAD, groupSize - quad * QUAD); i++) {
                own.keys.ahead();
                softmax.panel(space, head + i, range, first, first == from, own.scores, i * SLOTS, count, tokens);
            }
        }
    }
}
