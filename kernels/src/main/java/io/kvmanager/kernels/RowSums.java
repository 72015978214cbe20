package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.INTS;
import static io.kvmanager.kernels.Lanes.LANES;
import static io.kvmanager.kernels.Lanes.ORDER;

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
 * A column, two vectors of every row, meets four query heads: 8 accumulators, which 16 registers hold. A few rows of
 * one column after the other, so that {@link RowPanel#ahead} is called often.
 */
final class RowSums {
    /** Query heads that are computed together. */
    static final int HEADS = 4;

    private static final int HALF_BITS = 16;
    private static final int HIGH_HALF = 0xffff0000;
    private static final int ROWS = RowPanel.ROWS;
    private static final int VECTOR_BYTES = 4 * LANES;

    private final boolean inPairs;
    private final int stride;
    private final int passRows;

    RowSums(CacheGeometry geometry) {
        this.inPairs = Lanes.inPairs(geometry);
        this.stride = Lanes.splitStride(geometry);
        this.passRows = inPairs ? 32 : 16;
    }

    /** How often {@link #add} calls {@link RowPanel#ahead}. */
    int steps(int count) {
        return (count + passRows - 1) / passRows * (stride / Lanes.STEP);
    }

    /** Adds the first {@code count} rows, with their weights, to the sums of four query heads at {@code at}. */
    void add(RowPanel panel, int count, float[] sums, int at) {
        int columns = stride / Lanes.STEP;
        for (int from = 0; from < count; from += passRows) {
            int to = Math.min(count, from + passRows);
            for (int column = 0; column < columns; column++) {
                panel.ahead();
                int sum = at + column * Lanes.STEP;
                if (inPairs) {
                    pairs(panel.memory, panel.rows, column * VECTOR_BYTES, from, to, panel.weights, sums, sum);
                } else {
                    floats(panel.memory, panel.rows, column * 2 * VECTOR_BYTES, from, to, panel.weights, sums, sum);
                }
            }
        }
    }

    private void floats(
            MemorySegment memory, long[] rows, int column, int from, int to, float[] weights, float[] sums, int at) {
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        FloatVector s20 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride);
        FloatVector s21 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + LANES);
        FloatVector s30 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride);
        FloatVector s31 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + LANES);
        for (int i = from; i < to; i++) {
            long row = rows[i] + column;
            FloatVector v0 = FloatVector.fromMemorySegment(FLOATS, memory, row, ORDER);
            FloatVector v1 = FloatVector.fromMemorySegment(FLOATS, memory, row + VECTOR_BYTES, ORDER);
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

    private void pairs(
            MemorySegment memory, long[] rows, int column, int from, int to, float[] weights, float[] sums, int at) {
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        FloatVector s20 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride);
        FloatVector s21 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + LANES);
        FloatVector s30 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride);
        FloatVector s31 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + LANES);
        for (int i = from; i < to; i++) {
            IntVector pairs = IntVector.fromMemorySegment(INTS, memory, rows[i] + column, ORDER);
            FloatVector even = pairs.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector odd = pairs.and(HIGH_HALF).reinterpretAsFloats();
            FloatVector w0 = FloatVector.broadcast(FLOATS, weights[i]);
            s00 = even.fma(w0, s00);
            s01 = odd.fma(w0, s01);
            FloatVector w1 = FloatVector.broadcast(FLOATS, weights[i + ROWS]);
            s10 = even.fma(w1, s10);
            s11 = odd.fma(w1, s11);
            FloatVector w2 = FloatVector.broadcast(FLOATS, weights[i + 2 * ROWS]);
            s20 = even.fma(w2, s20);
            s21 = odd.fma(w2, s21);
            FloatVector w3 = FloatVector.broadcast(FLOATS, weights[i + 3 * ROWS]);
            s30 = even.fma(w3, s30);
            s31 = odd.fma(w3, s31);
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
