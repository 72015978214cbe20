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
 * <p>What limits this is how many memory accesses are in flight: scattered tiles are walked four at a time, four rows of
 * each in turn, so that four streams run at once.
 *
 * <pre>
 * block b    rows 0..3 | rows 4..7 | ..        visited: b 0..3, b+1 0..3, b+2 0..3, b+3 0..3, b 4..7, ..
 * block b+1  rows 0..3 | rows 4..7 | ..
 * </pre>
 *
 * <ol>
 *   <li>per KV head and block range: raw scores into the workspace's weights
 *   <li>per query head: {@link VectorSoftmax} over the whole row
 * </ol>
 */
final class VectorScores {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final int QUAD = 4;

    private final CacheGeometry geometry;
    private final WorkerGroup workers;
    private final QuadDots dots;
    private final BlockRanges ranges;
    private final ScratchPool<float[]> sums;
    private final int blockTokens;
    private final int rowBytes;
    private final RawPart rawPart = new RawPart();
    private final SoftmaxPart softmaxPart = new SoftmaxPart();
    private MemorySegment table = MemorySegment.NULL;
    private @Nullable AttentionWorkspace workspace;
    private int tokens;

    VectorScores(CacheGeometry geometry, MemorySegment slab, WorkerGroup workers) {
        this.geometry = geometry;
        this.workers = workers;
        this.dots = new QuadDots(geometry, slab);
        this.ranges = new BlockRanges(geometry);
        this.sums = new ScratchPool<>(workers.threads(), () -> new float[QUAD * QUAD]);
        this.blockTokens = geometry.blockTokens();
        this.rowBytes = geometry.rowBytes();
    }

    void scores(MemorySegment q, MemorySegment keyTable, int tokenCount, AttentionWorkspace space) {
        table = keyTable;
        workspace = space;
        tokens = tokenCount;
        dots.prepare(q);
        ranges.cut(geometry.blocksFor(tokenCount));
        run(geometry.kvHeads() * ranges.ranges(), rawPart);
        if (ranges.ranges() > 1) {
            run(geometry.queryHeads(), softmaxPart);
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

    /** Raw scores of one range of one KV head; the weights too if the range is all there is. */
    private final class RawPart implements WorkerGroup.Part {
        @Override
        public void run(int part) {
            int kvHead = part / ranges.ranges();
            int range = part % ranges.ranges();
            int piece = sums.take();
            try {
                if (blockTokens >= QUAD) {
                    fourBlocksAtOnce(kvHead, ranges.from(range), ranges.to(range), sums.get(piece));
                } else {
                    smallBlocks(kvHead, ranges.from(range), ranges.to(range), sums.get(piece));
                }
            } finally {
                sums.giveBack(piece);
            }
            if (ranges.ranges() == 1) {
                for (int head = kvHead * geometry.groupSize(); head < (kvHead + 1) * geometry.groupSize(); head++) {
                    softmaxPart.run(head);
                }
            }
        }
    }

    private final class SoftmaxPart implements WorkerGroup.Part {
        @Override
        public void run(int head) {
            VectorSoftmax.row(Objects.requireNonNull(workspace), head, tokens, blockTokens);
        }
    }

    private void fourBlocksAtOnce(int kvHead, int from, int to, float[] quad) {
        for (int block = from; block < to; block += QUAD) {
            int count = Math.min(QUAD, to - block);
            long tile0 = tile(kvHead, block);
            long tile1 = count > 1 ? tile(kvHead, block + 1) : 0;
            long tile2 = count > 2 ? tile(kvHead, block + 2) : 0;
            long tile3 = count > 3 ? tile(kvHead, block + 3) : 0;
            int slot = block * blockTokens;
            for (int i = 0; i < blockTokens; i += QUAD) {
                long down = (long) i * rowBytes;
                fourRows(kvHead, slot + i, tile0 + down, quad);
                if (count > 1) {
                    fourRows(kvHead, slot + blockTokens + i, tile1 + down, quad);
                }
                if (count > 2) {
                    fourRows(kvHead, slot + 2 * blockTokens + i, tile2 + down, quad);
                }
                if (count > 3) {
                    fourRows(kvHead, slot + 3 * blockTokens + i, tile3 + down, quad);
                }
            }
        }
    }

    private long tile(int kvHead, int block) {
        return geometry.tileOffset(geometry.tileIndex(table.getAtIndex(INT, block), kvHead));
    }

    /** Scores of slots {@code slot..slot+3}, whose rows lie one behind the other. */
    private void fourRows(int kvHead, int slot, long row, float[] quad) {
        AttentionWorkspace space = Objects.requireNonNull(workspace);
        int group = geometry.groupSize();
        for (int first = 0; first < group; first += QUAD) {
            dots.dots(kvHead, first, row, row + rowBytes, row + 2L * rowBytes, row + 3L * rowBytes, quad);
            for (int i = 0; i < Math.min(QUAD, group - first); i++) {
                long to = (long) (kvHead * group + first + i) * space.maxTokens() + slot;
                Lanes.storeFour(quad, QUAD * i, space.weights(), 4 * to);
            }
        }
    }

    /** Blocks of one or two slots: four rows come from several of them. */
    private void smallBlocks(int kvHead, int from, int to, float[] quad) {
        AttentionWorkspace space = Objects.requireNonNull(workspace);
        int group = geometry.groupSize();
        int end = to * blockTokens;
        for (int slot = from * blockTokens; slot < end; slot += QUAD) {
            long row0 = row(kvHead, slot);
            long row1 = row(kvHead, Math.min(end - 1, slot + 1));
            long row2 = row(kvHead, Math.min(end - 1, slot + 2));
            long row3 = row(kvHead, Math.min(end - 1, slot + 3));
            for (int first = 0; first < group; first += QUAD) {
                dots.dots(kvHead, first, row0, row1, row2, row3, quad);
                for (int i = 0; i < Math.min(QUAD, group - first); i++) {
                    long to0 = (long) (kvHead * group + first + i) * space.maxTokens() + slot;
                    for (int r = 0; r < Math.min(QUAD, end - slot); r++) {
                        space.weights().setAtIndex(FLOAT, to0 + r, quad[QUAD * i + r]);
                    }
                }
            }
        }
    }

    private long row(int kvHead, int slot) {
        return tile(kvHead, slot / blockTokens) + (long) (slot % blockTokens) * rowBytes;
    }
}
