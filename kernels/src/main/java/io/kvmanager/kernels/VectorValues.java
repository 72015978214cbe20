package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.LANES;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.TileList;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * Weighted sums of listed value tiles.
 *
 * <ol>
 *   <li>per KV head and range of its list: {@link TileSums} of four tiles at a time into the range's own sums
 *   <li>the ranges' sums are added in ascending order, and go to {@code out} in element order
 * </ol>
 *
 * <pre>
 * sums [kvHead][range][query head of the group, padded to 4][stride]
 * </pre>
 */
final class VectorValues {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final int QUAD = FourTiles.QUAD;
    private static final int HEADS = TileSums.HEADS;

    private final CacheGeometry geometry;
    private final WorkerGroup workers;
    private final TileSums tileSums;
    private final BlockRanges ranges;
    private final ScratchPool<FourTiles> scratch;
    private final int blockTokens;
    private final int groupSize;
    private final int stride;
    private final int rangeElements;
    private final float[] sums;
    private final RangePart rangePart = new RangePart();
    private MemorySegment weights = MemorySegment.NULL;
    private int weightRow;
    private @Nullable TileList tiles;

    VectorValues(CacheGeometry geometry, MemorySegment slab, WorkerGroup workers) {
        this.geometry = geometry;
        this.workers = workers;
        this.tileSums = TileSums.of(geometry);
        this.ranges = new BlockRanges(geometry);
        this.blockTokens = geometry.blockTokens();
        this.scratch = new ScratchPool<>(workers.threads(), () -> new FourTiles(geometry, slab));
        this.groupSize = geometry.groupSize();
        this.stride = Lanes.splitStride(geometry);
        this.rangeElements = (groupSize + HEADS - 1) / HEADS * HEADS * stride;
        this.sums = new float[geometry.kvHeads() * BlockRanges.MAX_RANGES * rangeElements];
    }

    void values(MemorySegment weightsOf, int rowElements, TileList list, MemorySegment out, boolean accumulate) {
        weights = weightsOf;
        weightRow = rowElements;
        tiles = list;
        int most = 0;
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            most = Math.max(most, list.count(kvHead));
        }
        ranges.cut(most);
        int parts = geometry.kvHeads() * ranges.ranges();
        if (ranges.tiny()) {
            for (int i = 0; i < parts; i++) {
                rangePart.run(i);
            }
        } else {
            workers.run(parts, rangePart);
        }
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            int first = kvHead * ranges.ranges() * rangeElements;
            for (int range = 1; range < ranges.ranges(); range++) {
                addTo(first, first + range * rangeElements);
            }
            write(kvHead, first, out, accumulate);
        }
    }

    private final class RangePart implements WorkerGroup.Part {
        @Override
        public void run(int part) {
            TileList list = Objects.requireNonNull(tiles);
            int kvHead = part / ranges.ranges();
            int range = part % ranges.ranges();
            int count = list.count(kvHead);
            int at = part * rangeElements;
            Arrays.fill(sums, at, at + rangeElements, 0);
            int piece = scratch.take();
            try {
                FourTiles four = scratch.get(piece);
                for (int entry = ranges.from(range); entry < Math.min(count, ranges.to(range)); entry += QUAD) {
                    addFour(list, kvHead, entry, Math.min(QUAD, count - entry), four, at);
                }
            } finally {
                scratch.giveBack(piece);
            }
        }
    }

    /** Adds up to four entries; the places of absent ones repeat the first tile with weight zero. */
    private void addFour(TileList list, int kvHead, int entry, int count, FourTiles four, int at) {
        for (int i = 0; i < QUAD; i++) {
            four.tile(i, geometry.tileOffset(list.tile(kvHead, i < count ? entry + i : entry)));
        }
        for (int first = 0; first < groupSize; first += HEADS) {
            int heads = Math.min(HEADS, groupSize - first);
            if (count < QUAD || heads < HEADS) {
                Arrays.fill(four.weights, 0);
            }
            for (int head = 0; head < heads; head++) {
                long row = (long) (kvHead * groupSize + first + head) * weightRow;
                for (int i = 0; i < count; i++) {
                    long from = row + (long) list.block(kvHead, entry + i) * blockTokens;
                    copyWeights(from, four.weights, (head * QUAD + i) * blockTokens);
                }
            }
            tileSums.add(four, sums, at + first * stride);
        }
    }

    private void copyWeights(long from, float[] to, int at) {
        if (blockTokens % LANES == 0) {
            for (int slot = 0; slot < blockTokens; slot += LANES) {
                Lanes.floats(weights, 4 * (from + slot)).intoArray(to, at + slot);
            }
        } else {
            for (int slot = 0; slot < blockTokens; slot++) {
                to[at + slot] = weights.getAtIndex(FLOAT, from + slot);
            }
        }
    }

    private void addTo(int to, int from) {
        for (int i = 0; i < rangeElements; i += LANES) {
            FloatVector.fromArray(FLOATS, sums, to + i)
                    .add(FloatVector.fromArray(FLOATS, sums, from + i))
                    .intoArray(sums, to + i);
        }
    }

    private void write(int kvHead, int at, MemorySegment out, boolean accumulate) {
        int headSize = geometry.headSize();
        boolean inPairs = Lanes.inPairs(geometry);
        for (int head = 0; head < groupSize; head++) {
            long row = (long) (kvHead * groupSize + head) * headSize;
            for (int e = 0; e < headSize; e++) {
                float sum = sums[at + head * stride + Lanes.splitIndex(inPairs, e)];
                float before = accumulate ? out.getAtIndex(FLOAT, row + e) : 0;
                out.setAtIndex(FLOAT, row + e, before + sum);
            }
        }
    }
}
