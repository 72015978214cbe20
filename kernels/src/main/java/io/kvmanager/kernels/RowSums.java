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
 * A column, two vectors of every row, meets four query heads: 8 accumulators, which 16 registers hold. Two rows a turn,
 * so that what a turn costs beside its products is little; a few rows of one column after the other, so that {@link
 * RowPanel#ahead} is called often.
 */
final class RowSums {
    /** Query heads that are computed together. */
    static final int HEADS = 4;

    private static final int HALF_BITS = 16;
    private static final int HIGH_HALF = 0xffff0000;
    private static final int VECTOR_BYTES = 4 * LANES;
    /** Rows of each of two runs that are added before the next column. */
    private static final int PASS_ROWS = 8;

    private final boolean inPairs;
    private final int stride;
    private final int columns;

    RowSums(CacheGeometry geometry) {
        this.inPairs = Lanes.inPairs(geometry);
        this.stride = Lanes.splitStride(geometry);
        this.columns = stride / Lanes.STEP;
    }

    /** Passes over the first {@code count} rows: two runs together, and the other two only where they have rows. */
    private static int passes(int count) {
        return (count > 2 * RUN_ROWS ? 2 : 1) * (RUN_ROWS / PASS_ROWS);
    }

    /** How often {@link #add} calls {@link RowPanel#ahead}. */
    int steps(int count) {
        return passes(count) * columns;
    }

    /** Adds the first {@code count} rows, with their weights, to the sums of four query heads at {@code at}. */
    void add(RowPanel panel, int count, float[] sums, int at) {
        for (int pass = 0; pass < passes(count); pass++) {
            int first = pass * PASS_ROWS;
            int run = first / RUN_ROWS * 2;
            for (int column = 0; column < columns; column++) {
                panel.ahead();
                int sum = at + column * Lanes.STEP;
                if (inPairs) {
                    pairs(panel, run, first % RUN_ROWS, column * VECTOR_BYTES, sums, sum);
                } else {
                    floats(panel, run, first % RUN_ROWS, column * 2 * VECTOR_BYTES, sums, sum);
                }
            }
        }
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
        for (int i = first; i < first + PASS_ROWS; i++, row0 += rowBytes, row1 += rowBytes) {
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
        for (int i = first; i < first + PASS_ROWS; i++, row0 += rowBytes, row1 += rowBytes) {
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
