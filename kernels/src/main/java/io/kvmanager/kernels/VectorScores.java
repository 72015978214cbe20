package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Decode scores and softmax weights.
 *
 * <ol>
 *   <li>per KV head and block range, panel by panel of 64 slots: raw scores into the workspace's weights, two rows of
 *       each run in turn; then, while they are in the processor's caches, {@link VectorSoftmax#range} over the range
 *   <li>per query head: {@link VectorSoftmax#join} over its ranges
 * </ol>
 */
final class VectorScores {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final int HEADS = RowDots.HEADS;
    private static final int ROWS = RowPanel.ROWS;
    private static final int PAIRS = ROWS / 2;

    private final CacheGeometry geometry;
    private final WorkerGroup workers;
    private final RowDots dots;
    private final BlockRanges ranges;
    private final VectorSoftmax softmax;
    private final ScratchPool<RowPanel> scratch;
    private final int blockTokens;
    private final int groupSize;
    private final RangePart rangePart = new RangePart();
    private final JoinPart joinPart = new JoinPart();
    private MemorySegment table = MemorySegment.NULL;
    private @Nullable AttentionWorkspace workspace;
    private int tokens;

    VectorScores(CacheGeometry geometry, MemorySegment slab, WorkerGroup workers) {
        this.geometry = geometry;
        this.workers = workers;
        this.dots = new RowDots(geometry);
        this.ranges = new BlockRanges(geometry);
        this.softmax = new VectorSoftmax(geometry);
        this.scratch = new ScratchPool<>(workers.threads(), () -> new RowPanel(geometry, slab));
        this.blockTokens = geometry.blockTokens();
        this.groupSize = geometry.groupSize();
    }

    void scores(MemorySegment q, MemorySegment keyTable, int tokenCount, AttentionWorkspace space) {
        table = keyTable;
        workspace = space;
        tokens = tokenCount;
        dots.prepare(q);
        ranges.cut(geometry.blocksFor(tokenCount));
        run(geometry.kvHeads() * ranges.ranges(), rangePart);
        run(geometry.queryHeads(), joinPart);
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
                RowPanel panel = scratch.get(piece);
                for (int first = from; first < to; first += ROWS) {
                    panel(panel, kvHead, first, to, first == from);
                }
            } finally {
                scratch.giveBack(piece);
            }
            AttentionWorkspace space = Objects.requireNonNull(workspace);
            for (int head = kvHead * groupSize; head < (kvHead + 1) * groupSize; head++) {
                softmax.range(space, head, range, from, to, tokens);
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

    /** Raw scores of slots {@code first..first+63}, or as many as there are before {@code end}. */
    private void panel(RowPanel panel, int kvHead, int first, int end, boolean isFirst) {
        AttentionWorkspace space = Objects.requireNonNull(workspace);
        for (int piece = 0; piece < panel.pieces; piece++) {
            int slot = first + piece * panel.pieceSlots;
            if (slot < end) {
                panel.piece(piece, tile(kvHead, slot), slot % blockTokens);
            }
            if (slot + ROWS < end) {
                panel.nextPiece(piece, tile(kvHead, slot + ROWS), (slot + ROWS) % blockTokens);
            }
        }
        int count = Math.min(ROWS, end - first);
        int quads = (groupSize + HEADS - 1) / HEADS;
        panel.begin(isFirst, first + ROWS < end, quads * PAIRS);
        for (int quad = 0; quad < quads; quad++) {
            for (int pair = 0; pair < PAIRS; pair++) {
                panel.ahead();
                int row = RowPanel.rowInTurn(pair);
                if (row < count) {
                    dots.pair(panel, kvHead, quad * HEADS, row);
                }
            }
            int head = kvHead * groupSize + quad * HEADS;
            for (int i = 0; i < Math.min(HEADS, groupSize - quad * HEADS); i++) {
                long at = (long) (head + i) * space.maxTokens() + first;
                RowDots.fold(panel.sums, i, count, space.weights(), at);
            }
        }
    }

    private int tile(int kvHead, int slot) {
        return geometry.tileIndex(table.getAtIndex(INT, slot / blockTokens), kvHead);
    }
}
