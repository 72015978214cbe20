package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.LANES;
import static io.kvmanager.kernels.Lanes.ORDER;

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
 *   <li>per KV head and range of its list: {@link RowSums} of 64 rows at a time into the range's own sums
 *   <li>the ranges' sums are added in ascending order, and go to {@code out} in element order
 * </ol>
 *
 * <pre>
 * sums [kvHead][range][query head of the group, padded to 4][stride], and two cache lines
 * </pre>
 */
final class VectorValues {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final int HEADS = RowSums.HEADS;
    private static final int ROWS = RowPanel.ROWS;

    /** Elements between the sums of ranges: two threads write neighbours all the time, never the same cache line. */
    private static final int APART = 2 * Prefetch.LINE_BYTES / Float.BYTES;

    private final CacheGeometry geometry;
    private final WorkerGroup workers;
    private final RowSums rowSums;
    private final BlockRanges ranges;
    private final ScratchPool<RowPanel> scratch;
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
        this.rowSums = new RowSums(geometry);
        this.ranges = new BlockRanges(geometry);
        this.blockTokens = geometry.blockTokens();
        this.scratch = new ScratchPool<>(workers.threads(), () -> new RowPanel(geometry, slab));
        this.groupSize = geometry.groupSize();
        this.stride = Lanes.splitStride(geometry);
        this.rangeElements = (groupSize + HEADS - 1) / HEADS * HEADS * stride + APART;
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
            int end = Math.min(list.count(kvHead), ranges.to(range)) * blockTokens;
            int at = part * rangeElements;
            Arrays.fill(sums, at, at + rangeElements, 0);
            int piece = scratch.take();
            try {
                RowPanel panel = scratch.get(piece);
                int from = ranges.from(range) * blockTokens;
                for (int first = from; first < end; first += ROWS) {
                    panel(panel, list, kvHead, first, end, at);
                }
            } finally {
                scratch.giveBack(piece);
            }
        }
    }

    /** Adds up to 64 slots of a list, counted through its entries. */
    private void panel(RowPanel panel, TileList list, int kvHead, int first, int end, int at) {
        int quads = (groupSize + HEADS - 1) / HEADS;
        int count = Math.min(ROWS, end - first);
        int nextCount = Math.min(ROWS, end - first - count);
        for (int piece = 0; piece * panel.pieceSlots < count; piece++) {
            int slot = first + piece * panel.pieceSlots;
            int entry = slot / blockTokens;
            int inTile = slot - entry * blockTokens;
            panel.piece(piece, list.tile(kvHead, entry), inTile);
            panel.weightSlots[piece] = list.block(kvHead, entry) * blockTokens + inTile;
        }
        panel.begin(count, nextCount > 0, quads * rowSums.steps(count));
        for (int piece = 0; piece * panel.pieceSlots < nextCount; piece++) {
            int slot = first + ROWS + piece * panel.pieceSlots;
            int entry = slot / blockTokens;
            int inTile = slot - entry * blockTokens;
            panel.nextPiece(piece, list.tile(kvHead, entry), inTile);
            if (Prefetch.LINES != null) {
                weightsAhead(kvHead, list.block(kvHead, entry) * blockTokens + inTile, panel.pieceSlots);
            }
        }
        for (int quad = 0; quad < quads; quad++) {
            int heads = Math.min(HEADS, groupSize - quad * HEADS);
            for (int head = 0; head < heads; head++) {
                long row = (long) (kvHead * groupSize + quad * HEADS + head) * weightRow;
                for (int piece = 0; piece * panel.pieceSlots < count; piece++) {
                    int i = piece * panel.pieceSlots;
                    copyWeights(row + panel.weightSlots[piece], panel.pieceSlots, panel.weights, head * ROWS + i);
                }
                Arrays.fill(panel.weights, head * ROWS + count, (head + 1) * ROWS, 0);
            }
            Arrays.fill(panel.weights, heads * ROWS, HEADS * ROWS, 0);
            rowSums.add(panel, count, sums, at + quad * HEADS * stride);
        }
    }

    /** Asks for weights of the next panel: they lie as scattered as its tiles. */
    private void weightsAhead(int kvHead, int slot, int count) {
        long row = 4L * weightRow;
        for (int head = 0; head < groupSize; head += HEADS) {
            long at = weights.address() + (kvHead * groupSize + head) * row + 4L * slot;
            int last = Math.min(HEADS, groupSize - head) - 1;
            Objects.requireNonNull(Prefetch.LINES)
                    .ahead(at, at + Math.min(1, last) * row, at + Math.min(2, last) * row, at + last * row, 4L * count);
        }
    }

    private void copyWeights(long from, int count, float[] to, int at) {
        if (count % LANES == 0) {
            for (int i = 0; i < count; i += LANES) {
                FloatVector.fromMemorySegment(FLOATS, weights, 4 * (from + i), ORDER)
                        .intoArray(to, at + i);
            }
        } else {
            for (int i = 0; i < count; i++) {
                to[at + i] = weights.getAtIndex(FLOAT, from + i);
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
