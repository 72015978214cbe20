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
 * <p>What limits this is how many memory accesses are in flight: scattered tiles are walked four at a time, one vector
 * of each in turn, so that four streams run at once. (Four whole rows of each in turn reach half of that.)
 *
 * <pre>
 * block b    slot 0: v0 v1 ..  slot 1: ..      visited: b v0, b+1 v0, b+2 v0, b+3 v0, b v1, b+1 v1, ..
 * block b+1  slot 0: v0 v1 ..  slot 1: ..      after four slots 16 scores per query are folded and written
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
    private static final int QUAD = FourTiles.QUAD;

    private final CacheGeometry geometry;
    private final WorkerGroup workers;
    private final QuadDots dots;
    private final BlockRanges ranges;
    private final ScratchPool<FourTiles> scratch;
    private final int blockTokens;
    private final int groupSize;
    private final RawPart rawPart = new RawPart();
    private final SoftmaxPart softmaxPart = new SoftmaxPart();
    private MemorySegment table = MemorySegment.NULL;
    private @Nullable AttentionWorkspace workspace;
    private int tokens;

    VectorScores(CacheGeometry geometry, MemorySegment slab, WorkerGroup workers) {
        this.geometry = geometry;
        this.workers = workers;
        this.dots = new QuadDots(geometry);
        this.ranges = new BlockRanges(geometry);
        this.scratch = new ScratchPool<>(workers.threads(), () -> new FourTiles(geometry, slab));
        this.blockTokens = geometry.blockTokens();
        this.groupSize = geometry.groupSize();
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
            int piece = scratch.take();
            try {
                if (blockTokens >= QUAD) {
                    fourBlocksAtOnce(kvHead, ranges.from(range), ranges.to(range), scratch.get(piece));
                } else {
                    smallBlocks(kvHead, ranges.from(range), ranges.to(range), scratch.get(piece));
                }
            } finally {
                scratch.giveBack(piece);
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

    private void fourBlocksAtOnce(int kvHead, int from, int to, FourTiles four) {
        for (int block = from; block < to; block += QUAD) {
            int count = Math.min(QUAD, to - block);
            for (int i = 0; i < QUAD; i++) {
                four.tile(i, tile(kvHead, i < count ? block + i : block));
            }
            for (int slot = 0; slot < blockTokens; slot += QUAD) {
                for (int first = 0; first < groupSize; first += QUAD) {
                    fourSlots(kvHead, first, slot, four);
                    int heads = Math.min(QUAD, groupSize - first);
                    writeFour(kvHead * groupSize + first, heads, block * blockTokens + slot, count, four.sums);
                }
            }
        }
    }

    /** Slots {@code slot..slot+3} of four tiles. */
    private void fourSlots(int kvHead, int first, int slot, FourTiles four) {
        long[] tiles = four.tiles;
        for (int i = 0; i < QUAD; i++) {
            long down = (long) (slot + i) * four.rowBytes;
            dots.row(
                    four.memory,
                    kvHead,
                    first,
                    i,
                    tiles[0] + down,
                    tiles[1] + down,
                    tiles[2] + down,
                    tiles[3] + down,
                    four.sums);
        }
    }

    /** Writes the scores of slots {@code slot..slot+3} and of as many in each of the blocks behind. */
    private void writeFour(int head, int heads, int slot, int blocks, float[] sums) {
        AttentionWorkspace space = Objects.requireNonNull(workspace);
        for (int i = 0; i < heads; i++) {
            QuadDots.fold(sums, i);
            long to = (long) (head + i) * space.maxTokens() + slot;
            for (int run = 0; run < blocks; run++) {
                long behind = to + (long) run * blockTokens;
                Lanes.storeFour(sums, QuadDots.scoreIndex(i, run), space.weights(), 4 * behind);
            }
        }
    }

    private long tile(int kvHead, int block) {
        return geometry.tileOffset(geometry.tileIndex(table.getAtIndex(INT, block), kvHead));
    }

    /** Blocks of one or two slots: 16 slots at a time, four runs of four whose rows come from several blocks. */
    private void smallBlocks(int kvHead, int from, int to, FourTiles four) {
        AttentionWorkspace space = Objects.requireNonNull(workspace);
        int end = to * blockTokens;
        for (int slot = from * blockTokens; slot < end; slot += QUAD * QUAD) {
            for (int i = 0; i < QUAD * QUAD; i++) {
                four.row(i, row(kvHead, Math.min(end - 1, slot + i)));
            }
            long[] rows = four.rows;
            for (int first = 0; first < groupSize; first += QUAD) {
                for (int i = 0; i < QUAD; i++) {
                    dots.row(
                            four.memory,
                            kvHead,
                            first,
                            i,
                            rows[i],
                            rows[QUAD + i],
                            rows[2 * QUAD + i],
                            rows[3 * QUAD + i],
                            four.sums);
                }
                for (int i = 0; i < Math.min(QUAD, groupSize - first); i++) {
                    QuadDots.fold(four.sums, i);
                    long to0 = (long) (kvHead * groupSize + first + i) * space.maxTokens() + slot;
                    for (int r = 0; r < Math.min(QUAD * QUAD, end - slot); r++) {
                        space.weights().setAtIndex(FLOAT, to0 + r, four.sums[QuadDots.scoreIndex(i, 0) + r]);
                    }
                }
            }
        }
    }

    private long row(int kvHead, int slot) {
        return tile(kvHead, slot / blockTokens) + (long) (slot % blockTokens) * geometry.rowBytes();
    }
}
