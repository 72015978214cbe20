package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.LANES;
import static io.kvmanager.kernels.Lanes.ORDER;

import io.kvmanager.CacheGeometry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import jdk.incubator.vector.FloatVector;

/**
 * One thread's view of 64 rows of V, the weights that go with them, and the rows that come next.
 *
 * <pre>
 * run 0   rows  0..15     a tile of 16 slots, or a part of one
 * run 1   rows 16..31     and so on: four streams of memory
 * </pre>
 *
 * Rows are read as they are stored where {@link Lanes#inPlace} says so. Others are first decoded to F32 in memory of
 * the panel's own, each row padded with zeros to whole vectors. So no kernel has a masked or a shorter last vector.
 *
 * <p>Decode attention over a long context is limited by memory. While a panel is computed on, {@link Prefetch} asks for
 * the next one, a few lines at a time and of four runs in turn: many at once are dropped, and one run after the other
 * is slower than the memory.
 */
final class RowPanel {
    static final int ROWS = 64;
    private static final int RUNS = 4;
    static final int RUN_ROWS = ROWS / RUNS;
    /** {@link #order} for as many runs. */
    private static final int[][] ORDERS = orders();

    /** Bytes of each run that one call asks for at least. */
    private static final int AHEAD_BYTES = 4 * Prefetch.LINE_BYTES;

    /** Tiles, or parts of one, that make a panel. */
    final int pieces;

    /** Slots of each. */
    final int pieceSlots;

    /** What the kernels read. */
    final MemorySegment memory;

    /** Byte offsets of the runs in {@link #memory}. */
    final long[] runs = new long[RUNS];

    /** Byte offsets of the rows, run behind run; for wide columns only. */
    final long[] rows = new long[ROWS];

    /** The first rows of all runs that have rows, then their second ones, and so on. */
    int[] order = ORDERS[RUNS];

    /** Bytes from one row of a run to the next. */
    final int rowBytes;

    /** {@code [4 query heads][64 rows]}: what {@link RowSums} multiplies rows with; 0 for rows that there are not. */
    final float[] weights = new float[RowSums.HEADS * ROWS];

    /** The slot of each piece's first weight. */
    final int[] weightSlots;

    private final CacheGeometry geometry;
    private final MemorySegment slab;
    private final boolean decoded;
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
        this.weightSlots = new int[pieces];
        this.rowBytes = decoded ? 4 * Lanes.splitStride(geometry) : geometry.rowBytes();
        this.memory = decoded ? Arena.ofAuto().allocate((long) ROWS * rowBytes, Prefetch.LINE_BYTES) : slab;
        this.runBytes = RUN_ROWS * geometry.rowBytes();
        this.prefetches = Prefetch.LINES != null && pieceSlots >= RUN_ROWS;
        for (int run = 0; run < RUNS; run++) {
            runs[run] = (long) run * RUN_ROWS * rowBytes;
        }
    }

    private static int[][] orders() {
        int[][] orders = new int[RUNS + 1][];
        for (int runs = 0; runs <= RUNS; runs++) {
            orders[runs] = new int[runs * RUN_ROWS];
            for (int i = 0; i < orders[runs].length; i++) {
                orders[runs][i] = i % runs * RUN_ROWS + i / runs;
            }
        }
        return orders;
    }

    /** Makes the slots of a tile from {@code firstSlot} on piece {@code piece}. */
    void piece(int piece, int tileIndex, int firstSlot) {
        int storedBytes = geometry.rowBytes();
        long at = geometry.tileOffset(tileIndex) + (long) firstSlot * storedBytes;
        int end = (piece + 1) * pieceSlots;
        if (decoded) {
            for (int row = piece * pieceSlots; row < end; row++, at += storedBytes) {
                Lanes.decode(geometry.elementType(), slab, at, geometry.headSize(), memory, (long) row * rowBytes);
            }
        } else {
            for (int run = piece * pieceSlots / RUN_ROWS; run < end / RUN_ROWS; run++, at += runBytes) {
                runs[run] = at;
            }
        }
    }

    /** Makes the slots of a tile from {@code firstSlot} on piece {@code piece} of the panel behind this one. */
    void nextPiece(int piece, int tileIndex, int firstSlot) {
        long at = slab.address() + geometry.tileOffset(tileIndex) + (long) firstSlot * geometry.rowBytes();
        int runsOfPiece = pieceSlots / RUN_ROWS;
        for (int run = piece * runsOfPiece; run < (piece + 1) * runsOfPiece; run++, at += runBytes) {
            next[run] = at;
        }
    }

    /**
     * To be called when all pieces are set, before rows are read.
     *
     * @param count rows that there are; those behind them are multiplied by 0, and must not be what 0 cannot undo
     * @param steps how often {@link #ahead} will be called
     */
    void begin(int count, boolean hasNext, int steps) {
        if (decoded) {
            for (long at = (long) count * rowBytes; at < memory.byteSize(); at += 4L * LANES) {
                FloatVector.zero(FLOATS).intoMemorySegment(memory, at, ORDER);
            }
        } else {
            for (int run = count / RUN_ROWS; run < RUNS; run++) {
                runs[run] = runs[0];
            }
        }
        order = ORDERS[(count + RUN_ROWS - 1) / RUN_ROWS];
        for (int run = 0; run < RUNS && RowSums.WIDE; run++) {
            for (int i = 0; i < RUN_ROWS; i++) {
                rows[run * RUN_ROWS + i] = runs[run] + (long) i * rowBytes;
            }
        }
        asked = 0;
        wanted = 0;
        end = hasNext && prefetches ? runBytes : 0;
        stepBytes = (runBytes + steps - 1) / steps;
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
}
