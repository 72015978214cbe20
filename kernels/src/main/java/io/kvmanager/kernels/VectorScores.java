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
    private final int groupSize;
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
        this.sums = new ScratchPool<>(workers.threads(), () -> new float[QuadDots.SCRATCH_FLOATS]);
        this.blockTokens = geometry.blockTokens();
        this.groupSize = geometry.groupSize();
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
                for (int head = kvHead * groupSize; head < (kvHead + 1) * groupSize; head++) {
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
            long tile1 = tile(kvHead, count > 1 ? block + 1 : block);
            long tile2 = tile(kvHead, count > 2 ? block + 2 : block);
            long tile3 = tile(kvHead, count > 3 ? block + 3 : block);
            for (int slot = 0; slot < blockTokens; slot += QUAD) {
                for (int first = 0; first < groupSize; first += QUAD) {
                    for (int i = 0; i < QUAD; i++) {
                        long down = (long) (slot + i) * rowBytes;
                        dots.row(
                                kvHead, first, i, tile0 + down, tile1 + down, tile2 + down, tile3 + down, quad);
                    }
                    int heads = Math.min(QUAD, groupSize - first);
                    writeFour(kvHead * groupSize + first, heads, block * blockTokens + slot, count, quad);
                }
            }
        }
    }

    /** Writes the scores of slots {@code slot..slot+3} and of as many in each of the blocks behind. */
    private void writeFour(int head, int heads, int slot, int blocks, float[] quad) {
        AttentionWorkspace space = Objects.requireNonNull(workspace);
        for (int i = 0; i < heads; i++) {
            QuadDots.fold(quad, i);
            long to = (long) (head + i) * space.maxTokens() + slot;
            for (int run = 0; run < blocks; run++) {
                long behind = to + (long) run * blockTokens;
                Lanes.storeFour(quad, QuadDots.scoreIndex(i, run), space.weights(), 4 * behind);
            }
        }
    }

    private long tile(int kvHead, int block) {
        return geometry.tileOffset(geometry.tileIndex(table.getAtIndex(INT, block), kvHead));
    }

    /** Blocks of one or two slots: 16 slots at a time, four runs of four whose rows come from several blocks. */
    private void smallBlocks(int kvHead, int from, int to, float[] quad) {
        AttentionWorkspace space = Objects.requireNonNull(workspace);
        int end = to * blockTokens;
        for (int slot = from * blockTokens; slot < end; slot += QUAD * QUAD) {
            for (int first = 0; first < groupSize; first += QUAD) {
                for (int i = 0; i < QUAD; i++) {
                    long row0 = row(kvHead, Math.min(end - 1, slot + i));
                    long row1 = row(kvHead, Math.min(end - 1, slot + QUAD + i));
                    long row2 = row(kvHead, Math.min(end - 1, slot + 2 * QUAD + i));
                    long row3 = row(kvHead, Math.min(end - 1, slot + 3 * QUAD + i));
                    dots.row(kvHead, first, i, row0, row1, row2, row3, quad);
                }
                for (int i = 0; i < Math.min(QUAD, groupSize - first); i++) {
                    QuadDots.fold(quad, i);
                    long to0 = (long) (kvHead * groupSize + first + i) * space.maxTokens() + slot;
                    for (int r = 0; r < Math.min(QUAD * QUAD, end - slot); r++) {
                        space.weights().setAtIndex(FLOAT, to0 + r, quad[QuadDots.scoreIndex(i, 0) + r]);
                    }
                }
            }
        }
    }

    private long row(int kvHead, int slot) {
        return tile(kvHead, slot / blockTokens) + (long) (slot % blockTokens) * rowBytes;
    }
}
