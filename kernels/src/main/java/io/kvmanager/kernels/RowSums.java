package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.INTS;
import static io.kvmanager.kernels.Lanes.LANES;
import static io.kvmanager.kernels.Lanes.ORDER;
import static io.kvmanager.kernels.RowPanel.ROWS;
import static io.kvmanager.kernels.RowPanel.RUN_ROWS;

import io.kvmanager.CacheGeometry;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Weighted sums of the rows of a {@link RowPanel} for four query heads.
 *
 * <pre>
 * weights [4 query heads][64 rows]     of the panel
 * sums    [4 query heads][stride]      in the order {@link Lanes} reads rows
 * </pre>
 *
 * A column of every row, some vectors wide, meets four query heads, a few rows of a column after the other, so that
 * {@link RowPanel#ahead} is called often.
 *
 * <ul>
 *   <li>Vectors of 16 lanes come with 32 registers: four vectors of a row, 16 accumulators, and a row of each run in
 *       turn, for which the memory is faster than for one run behind the other.
 *   <li>Shorter ones, and columns that are left over: two vectors of a row, 8 accumulators, which 16 registers hold;
 *       two rows a turn, so that what a turn costs beside its products is little.
 * </ul>
 */
final class RowSums {
    /** Query heads that are computed together. */
    static final int HEADS = 4;

    private static final int HALF_BITS = 16;
    private static final int HIGH_HALF = 0xffff0000;
    private static final int VECTOR_BYTES = 4 * LANES;
    private static final int WIDE_VECTORS = 4;
    /** Whether there are registers for columns of four vectors. */
    static final boolean WIDE = LANES == 16;

    /** Rows of each of two runs that are added before the next narrow column. */
    private static final int NARROW_ROWS = 8;

    private final boolean inPairs;
    private final int stride;
    private final int wideColumns;
    private final int wideBytes;
    /** Rows of each run that are added before the next wide column. */
    private final int wideRows;

    private final int narrowColumns;
    private final int narrowBytes;

    RowSums(CacheGeometry geometry) {
        inPairs = Lanes.inPairs(geometry);
        stride = Lanes.splitStride(geometry);
        int vectors = stride / LANES;
        int vectorBytes = inPairs ? VECTOR_BYTES / 2 : VECTOR_BYTES;
        wideColumns = WIDE ? vectors / WIDE_VECTORS : 0;
        wideBytes = WIDE_VECTORS * vectorBytes;
        wideRows = inPairs ? 4 : 2;
        narrowColumns = (vectors - wideColumns * WIDE_VECTORS) / 2;
        narrowBytes = 2 * vectorBytes;
    }

    /** How often {@link #add} calls {@link RowPanel#ahead} for a panel of {@code count} rows. */
    int steps(int count) {
        return RUN_ROWS / wideRows * wideColumns + narrowPasses(count) * narrowColumns;
    }

    /** Two runs together, and the other two only where they have rows. */
    private static int narrowPasses(int count) {
        return (count > 2 * RUN_ROWS ? 2 : 1) * (RUN_ROWS / NARROW_ROWS);
    }

    /** Adds the first {@code count} rows, with their weights, to the sums of four query heads at {@code at}. */
    void add(RowPanel panel, int count, float[] sums, int at) {
        int turns = panel.order.length * wideRows / RUN_ROWS;
        for (int from = 0; from < panel.order.length; from += turns) {
            for (int column = 0; column < wideColumns; column++) {
                panel.ahead();
                int sum = at + column * WIDE_VECTORS * LANES;
                if (inPairs) {
                    widePairs(panel, from, from + turns, column * wideBytes, sums, sum);
                } else {
                    wideFloats(panel, from, from + turns, column * wideBytes, sums, sum);
                }
            }
        }
        int firstByte = wideColumns * wideBytes;
        int firstSum = at + wideColumns * WIDE_VECTORS * LANES;
        for (int pass = 0; pass < narrowPasses(count); pass++) {
            int first = pass * NARROW_ROWS;
            int run = first / RUN_ROWS * 2;
            for (int column = 0; column < narrowColumns; column++) {
                panel.ahead();
                int sum = firstSum + column * Lanes.STEP;
                int start = firstByte + column * narrowBytes;
                if (inPairs) {
                    pairs(panel, run, first % RUN_ROWS, start, sums, sum);
                } else {
                    floats(panel, run, first % RUN_ROWS, start, sums, sum);
                }
            }
        }
    }

    /** Four vectors of the rows {@code order[from..to-1]}, from byte {@code column} on. */
    private void wideFloats(RowPanel panel, int from, int to, int column, float[] sums, int at) {
        MemorySegment memory = panel.memory;
        float[] weights = panel.weights;
        long[] rows = panel.rows;
        int[] order = panel.order;
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s02 = FloatVector.fromArray(FLOATS, sums, at + 2 * LANES);
        FloatVector s03 = FloatVector.fromArray(FLOATS, sums, at + 3 * LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        FloatVector s12 = FloatVector.fromArray(FLOATS, sums, at + stride + 2 * LANES);
        FloatVector s13 = FloatVector.fromArray(FLOATS, sums, at + stride + 3 * LANES);
        FloatVector s20 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride);
        FloatVector s21 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + LANES);
        FloatVector s22 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + 2 * LANES);
        FloatVector s23 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + 3 * LANES);
        FloatVector s30 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride);
        FloatVector s31 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + LANES);
        FloatVector s32 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + 2 * LANES);
        FloatVector s33 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + 3 * LANES);
        for (int turn = from; turn < to; turn++) {
            int row = order[turn];
            long start = rows[row] + column;
            FloatVector v0 = FloatVector.fromMemorySegment(FLOATS, memory, start, ORDER);
            FloatVector v1 = FloatVector.fromMemorySegment(FLOATS, memory, start + VECTOR_BYTES, ORDER);
            FloatVector v2 = FloatVector.fromMemorySegment(FLOATS, memory, start + 2L * VECTOR_BYTES, ORDER);
            FloatVector v3 = FloatVector.fromMemorySegment(FLOATS, memory, start + 3L * VECTOR_BYTES, ORDER);
            FloatVector w0 = FloatVector.broadcast(FLOATS, weights[row]);
            s00 = v0.fma(w0, s00);
            s01 = v1.fma(w0, s01);
            s02 = v2.fma(w0, s02);
            s03 = v3.fma(w0, s03);
            FloatVector w1 = FloatVector.broadcast(FLOATS, weights[row + ROWS]);
            s10 = v0.fma(w1, s10);
            s11 = v1.fma(w1, s11);
            s12 = v2.fma(w1, s12);
            s13 = v3.fma(w1, s13);
            FloatVector w2 = FloatVector.broadcast(FLOATS, weights[row + 2 * ROWS]);
            s20 = v0.fma(w2, s20);
            s21 = v1.fma(w2, s21);
            s22 = v2.fma(w2, s22);
            s23 = v3.fma(w2, s23);
            FloatVector w3 = FloatVector.broadcast(FLOATS, weights[row + 3 * ROWS]);
            s30 = v0.fma(w3, s30);
            s31 = v1.fma(w3, s31);
            s32 = v2.fma(w3, s32);
            s33 = v3.fma(w3, s33);
        }
        s00.intoArray(sums, at);
        s01.intoArray(sums, at + LANES);
        s02.intoArray(sums, at + 2 * LANES);
        s03.intoArray(sums, at + 3 * LANES);
        s10.intoArray(sums, at + stride);
        s11.intoArray(sums, at + stride + LANES);
        s12.intoArray(sums, at + stride + 2 * LANES);
        s13.intoArray(sums, at + stride + 3 * LANES);
        s20.intoArray(sums, at + 2 * stride);
        s21.intoArray(sums, at + 2 * stride + LANES);
        s22.intoArray(sums, at + 2 * stride + 2 * LANES);
        s23.intoArray(sums, at + 2 * stride + 3 * LANES);
        s30.intoArray(sums, at + 3 * stride);
        s31.intoArray(sums, at + 3 * stride + LANES);
        s32.intoArray(sums, at + 3 * stride + 2 * LANES);
        s33.intoArray(sums, at + 3 * stride + 3 * LANES);
    }

    /** As {@link #wideFloats}; of a pair, the even element first. */
    private void widePairs(RowPanel panel, int from, int to, int column, float[] sums, int at) {
        MemorySegment memory = panel.memory;
        float[] weights = panel.weights;
        long[] rows = panel.rows;
        int[] order = panel.order;
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s02 = FloatVector.fromArray(FLOATS, sums, at + 2 * LANES);
        FloatVector s03 = FloatVector.fromArray(FLOATS, sums, at + 3 * LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        FloatVector s12 = FloatVector.fromArray(FLOATS, sums, at + stride + 2 * LANES);
        FloatVector s13 = FloatVector.fromArray(FLOATS, sums, at + stride + 3 * LANES);
        FloatVector s20 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride);
        FloatVector s21 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + LANES);
        FloatVector s22 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + 2 * LANES);
        FloatVector s23 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + 3 * LANES);
        FloatVector s30 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride);
        FloatVector s31 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + LANES);
        FloatVector s32 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + 2 * LANES);
        FloatVector s33 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + 3 * LANES);
        for (int turn = from; turn < to; turn++) {
            int row = order[turn];
            long start = rows[row] + column;
            IntVector p0 = IntVector.fromMemorySegment(INTS, memory, start, ORDER);
            FloatVector v0 = p0.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector v1 = p0.and(HIGH_HALF).reinterpretAsFloats();
            IntVector p1 = IntVector.fromMemorySegment(INTS, memory, start + VECTOR_BYTES, ORDER);
            FloatVector v2 = p1.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector v3 = p1.and(HIGH_HALF).reinterpretAsFloats();
            FloatVector w0 = FloatVector.broadcast(FLOATS, weights[row]);
            s00 = v0.fma(w0, s00);
            s01 = v1.fma(w0, s01);
            s02 = v2.fma(w0, s02);
            s03 = v3.fma(w0, s03);
            FloatVector w1 = FloatVector.broadcast(FLOATS, weights[row + ROWS]);
            s10 = v0.fma(w1, s10);
            s11 = v1.fma(w1, s11);
            s12 = v2.fma(w1, s12);
            s13 = v3.fma(w1, s13);
            FloatVector w2 = FloatVector.broadcast(FLOATS, weights[row + 2 * ROWS]);
            s20 = v0.fma(w2, s20);
            s21 = v1.fma(w2, s21);
            s22 = v2.fma(w2, s22);
            s23 = v3.fma(w2, s23);
            FloatVector w3 = FloatVector.broadcast(FLOATS, weights[row + 3 * ROWS]);
            s30 = v0.fma(w3, s30);
            s31 = v1.fma(w3, s31);
            s32 = v2.fma(w3, s32);
            s33 = v3.fma(w3, s33);
        }
        s00.intoArray(sums, at);
        s01.intoArray(sums, at + LANES);
        s02.intoArray(sums, at + 2 * LANES);
        s03.intoArray(sums, at + 3 * LANES);
        s10.intoArray(sums, at + stride);
        s11.intoArray(sums, at + stride + LANES);
        s12.intoArray(sums, at + stride + 2 * LANES);
        s13.intoArray(sums, at + stride + 3 * LANES);
        s20.intoArray(sums, at + 2 * stride);
        s21.intoArray(sums, at + 2 * stride + LANES);
        s22.intoArray(sums, at + 2 * stride + 2 * LANES);
        s23.intoArray(sums, at + 2 * stride + 3 * LANES);
        s30.intoArray(sums, at + 3 * stride);
        s31.intoArray(sums, at + 3 * stride + LANES);
        s32.intoArray(sums, at + 3 * stride + 2 * LANES);
        s33.intoArray(sums, at + 3 * stride + 3 * LANES);
    }

    /** Two vectors of every row from byte {@code column} on; rows {@code from..from+7} of two runs. */
    private void floats(RowPanel panel, int run, int from, int column, float[] sums, int at) {
        MemorySegment memory = panel.memory;
        float[] weights = panel.weights;
        int rowBytes = panel.rowBytes;
        long row0 = panel.runs[run] + (long) from * rowBytes + column;
        long row1 = panel.runs[run + 1] + (long) from * rowBytes + column;
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        FloatVector s20 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride);
        FloatVector s21 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + LANES);
        FloatVector s30 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride);
        FloatVector s31 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + LANES);
        int first = run * RUN_ROWS + from;
        for (int i = first; i < first + NARROW_ROWS; i++, row0 += rowBytes, row1 += rowBytes) {
            FloatVector v0 = FloatVector.fromMemorySegment(FLOATS, memory, row0, ORDER);
            FloatVector v1 = FloatVector.fromMemorySegment(FLOATS, memory, row0 + VECTOR_BYTES, ORDER);
            FloatVector w0 = FloatVector.broadcast(FLOATS, weights[i]);
            s00 = v0.fma(w0, s00);
            s01 = v1.fma(w0, s01);
            FloatVector w1 = FloatVector.broadcast(FLOATS, weights[i + ROWS]);
            s10 = v0.fma(w1, s10);
            s11 = v1.fma(w1, s11);
            FloatVector w2 = FloatVector.broadcast(FLOATS, weights[i + 2 * ROWS]);
            s20 = v0.fma(w2, s20);
            s21 = v1.fma(w2, s21);
            FloatVector w3 = FloatVector.broadcast(FLOATS, weights[i + 3 * ROWS]);
            s30 = v0.fma(w3, s30);
            s31 = v1.fma(w3, s31);
            FloatVector v2 = FloatVector.fromMemorySegment(FLOATS, memory, row1, ORDER);
            FloatVector v3 = FloatVector.fromMemorySegment(FLOATS, memory, row1 + VECTOR_BYTES, ORDER);
            FloatVector u0 = FloatVector.broadcast(FLOATS, weights[i + RUN_ROWS]);
            s00 = v2.fma(u0, s00);
            s01 = v3.fma(u0, s01);
            FloatVector u1 = FloatVector.broadcast(FLOATS, weights[i + ROWS + RUN_ROWS]);
            s10 = v2.fma(u1, s10);
            s11 = v3.fma(u1, s11);
            FloatVector u2 = FloatVector.broadcast(FLOATS, weights[i + 2 * ROWS + RUN_ROWS]);
            s20 = v2.fma(u2, s20);
            s21 = v3.fma(u2, s21);
            FloatVector u3 = FloatVector.broadcast(FLOATS, weights[i + 3 * ROWS + RUN_ROWS]);
            s30 = v2.fma(u3, s30);
            s31 = v3.fma(u3, s31);
        }
        s00.intoArray(sums, at);
        s01.intoArray(sums, at + LANES);
        s10.intoArray(sums, at + stride);
        s11.intoArray(sums, at + stride + LANES);
        s20.intoArray(sums, at + 2 * stride);
        s21.intoArray(sums, at + 2 * stride + LANES);
        s30.intoArray(sums, at + 3 * stride);
        s31.intoArray(sums, at + 3 * stride + LANES);
    }

    /** As {@link #floats}; of a pair, the even element first. */
    private void pairs(RowPanel panel, int run, int from, int column, float[] sums, int at) {
        MemorySegment memory = panel.memory;
        float[] weights = panel.weights;
        int rowBytes = panel.rowBytes;
        long row0 = panel.runs[run] + (long) from * rowBytes + column;
        long row1 = panel.runs[run + 1] + (long) from * rowBytes + column;
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        FloatVector s20 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride);
        FloatVector s21 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + LANES);
        FloatVector s30 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride);
        FloatVector s31 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + LANES);
        int first = run * RUN_ROWS + from;
        for (int i = first; i < first + NARROW_ROWS; i++, row0 += rowBytes, row1 += rowBytes) {
            IntVector p0 = IntVector.fromMemorySegment(INTS, memory, row0, ORDER);
            FloatVector even0 = p0.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector odd0 = p0.and(HIGH_HALF).reinterpretAsFloats();
            FloatVector w0 = FloatVector.broadcast(FLOATS, weights[i]);
            s00 = even0.fma(w0, s00);
            s01 = odd0.fma(w0, s01);
            FloatVector w1 = FloatVector.broadcast(FLOATS, weights[i + ROWS]);
            s10 = even0.fma(w1, s10);
            s11 = odd0.fma(w1, s11);
            FloatVector w2 = FloatVector.broadcast(FLOATS, weights[i + 2 * ROWS]);
            s20 = even0.fma(w2, s20);
            s21 = odd0.fma(w2, s21);
            FloatVector w3 = FloatVector.broadcast(FLOATS, weights[i + 3 * ROWS]);
            s30 = even0.fma(w3, s30);
            s31 = odd0.fma(w3, s31);
            IntVector p1 = IntVector.fromMemorySegment(INTS, memory, row1, ORDER);
            FloatVector even1 = p1.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector odd1 = p1.and(HIGH_HALF).reinterpretAsFloats();
            FloatVector u0 = FloatVector.broadcast(FLOATS, weights[i + RUN_ROWS]);
            s00 = even1.fma(u0, s00);
            s01 = odd1.fma(u0, s01);
            FloatVector u1 = FloatVector.broadcast(FLOATS, weights[i + ROWS + RUN_ROWS]);
            s10 = even1.fma(u1, s10);
            s11 = odd1.fma(u1, s11);
            FloatVector u2 = FloatVector.broadcast(FLOATS, weights[i + 2 * ROWS + RUN_ROWS]);
            s20 = even1.fma(u2, s20);
            s21 = odd1.fma(u2, s21);
            FloatVector u3 = FloatVector.broadcast(FLOATS, weights[i + 3 * ROWS + RUN_ROWS]);
            s30 = even1.fma(u3, s30);
            s31 = odd1.fma(u3, s31);
        }
        s00.intoArray(sums, at);
        s01.intoArray(sums, at + LANES);
        s10.intoArray(sums, at + stride);
        s11.intoArray(sums, at + stride + LANES);
        s20.intoArray(sums, at + 2 * stride);
        s21.intoArray(sums, at + 2 * stride + LANES);
        s30.intoArray(sums, at + 3 * stride);
        s31.intoArray(sums, at + 3 * stride + LANES);
    }
}
