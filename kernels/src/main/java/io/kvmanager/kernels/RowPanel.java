package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * One thread's view of 64 stored rows, the scratch arrays that go with them, and the rows that come next.
 *
 * <pre>
 * run 0   rows  0..15     a tile of 16 slots, or what 16 rows of other block sizes are
 * run 1   rows 16..31     and so on: four streams of memory
 * </pre>
 *
 * Rows are read as they are stored where they fill whole vectors; others, and F16, are first decoded to F32 in memory
 * of the panel's own, each row padded with zeros to whole vectors. So no kernel has a masked or a shorter last vector.
 *
 * <p>Decode attention over a long context is limited by memory. While a panel is computed on, {@link Prefetch} asks for
 * the next one, a few lines at a time and of four runs in turn: many at once are dropped, and one run after the other
 * is slower than the memory. Where there is no prefetching, a panel's lines are read, in the same order, before they
 * are computed on: then at least the reading is as fast as it can be.
 */
final class RowPanel {
    static final int ROWS = 64;
    private static final int RUNS = 4;
    private static final int RUN_ROWS = ROWS / RUNS;
    private static final int LINE_BYTES = 64;
    /** Bytes of each run that one call asks for at least. */
    private static final int AHEAD_BYTES = 4 * LINE_BYTES;

    /** Tiles, or parts of one, that make a panel. */
    final int pieces;

    /** Slots of each. */
    final int pieceSlots;

    /** What the kernels read. */
    final MemorySegment memory;

    /** Byte offsets of the rows in {@link #memory}. */
    final long[] rows = new long[ROWS];

    /** {@code [4 query heads][64 rows][lanes]}: what {@link RowDots} accumulates. */
    final float[] sums = new float[RowDots.HEADS * ROWS * Lanes.LANES];

    /** {@code [4 query heads][64 rows]}: what {@link RowSums} multiplies rows with. */
    final float[] weights = new float[RowSums.HEADS * ROWS];

    /** What {@link #touch} read, so that reading cannot be left out. */
    long touched;

    private final CacheGeometry geometry;
    private final MemorySegment slab;
    private final boolean decoded;
    private final int stride;
    private final int runBytes;
    private final boolean prefetches;
    private final long[] next = new long[RUNS];
    private int stepBytes;
    private int wanted;
    private int asked;
    private int end;

    RowPanel(CacheGeometry geometry, MemorySegment slab) {
        this.geometry = geometry;
        this.slab = slab;
        this.pieceSlots = Math.min(ROWS, geometry.blockTokens());
        this.pieces = ROWS / pieceSlots;
        this.decoded = !Lanes.inPlace(geometry);
        this.stride = Lanes.splitStride(geometry);
        this.memory = decoded ? Arena.ofAuto().allocate(4L * ROWS * stride, LINE_BYTES) : slab;
        this.runBytes = RUN_ROWS * geometry.rowBytes();
        this.prefetches = Prefetch.LINES != null && pieceSlots >= RUN_ROWS;
    }

    /** Makes the slots of a tile from {@code firstSlot} on piece {@code piece}. */
    void piece(int piece, int tileIndex, int firstSlot) {
        int rowBytes = geometry.rowBytes();
        long at = geometry.tileOffset(tileIndex) + (long) firstSlot * rowBytes;
        for (int i = piece * pieceSlots; i < (piece + 1) * pieceSlots; i++, at += rowBytes) {
            if (decoded) {
                rows[i] = 4L * i * stride;
                Lanes.decode(geometry.elementType(), slab, at, geometry.headSize(), memory, rows[i]);
            } else {
                rows[i] = at;
            }
        }
    }

    /** Makes the slots of a tile from {@code firstSlot} on piece {@code piece} of the panel behind this one. */
    void nextPiece(int piece, int tileIndex, int firstSlot) {
        long at = slab.address() + geometry.tileOffset(tileIndex) + (long) firstSlot * geometry.rowBytes();
        int runs = pieceSlots / RUN_ROWS;
        for (int run = piece * runs; run < (piece + 1) * runs; run++, at += runBytes) {
            next[run] = at;
        }
    }

    /** First row of a pair when two rows of each run are visited in turn. */
    static int rowInTurn(int pair) {
        return pair % RUNS * RUN_ROWS + pair / RUNS * 2;
    }

    /**
     * To be called when all pieces are set, before rows are read.
     *
     * @param steps how often {@link #ahead} will be called
     */
    void begin(boolean isFirst, boolean hasNext, int steps) {
        asked = 0;
        wanted = 0;
        end = hasNext && prefetches ? runBytes : 0;
        stepBytes = (runBytes + steps - 1) / steps;
        if (!decoded && (isFirst || !prefetches)) {
            touch();
        }
    }

    /** To be called before each step of the work on this panel, all about as long. */
    void ahead() {
        wanted = Math.min(end, wanted + stepBytes);
        int bytes = wanted - asked;
        if (bytes >= AHEAD_BYTES || (bytes > 0 && wanted == end)) {
            Objects.requireNonNull(Prefetch.LINES)
                    .ahead(next[0] + asked, next[1] + asked, next[2] + asked, next[3] + asked, bytes);
            asked = wanted;
        }
    }

    /** Reads a byte of every line, so that the lines come as fast as they can, four streams at once. */
    private void touch() {
        long sum = 0;
        for (int row = 0; row < RUN_ROWS; row++) {
            for (int at = 0; at < geometry.rowBytes(); at += LINE_BYTES) {
                sum += slab.get(ValueLayout.JAVA_BYTE, rows[row] + at)
                        + slab.get(ValueLayout.JAVA_BYTE, rows[RUN_ROWS + row] + at)
                        + slab.get(ValueLayout.JAVA_BYTE, rows[2 * RUN_ROWS + row] + at)
                        + slab.get(ValueLayout.JAVA_BYTE, rows[3 * RUN_ROWS + row] + at);
            }
        }
        touched += sum;
    }
}
