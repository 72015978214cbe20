package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.LANES;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Weighted sums of the rows of four tiles for four query heads.
 *
 * <pre>
 * weights [4 query heads][4 tiles][slot]            of the tiles at hand
 * sums    [4 query heads][stride]                   in the order {@link Lanes} reads rows
 *
 *             column ->  0 .. 3 vectors | 4 .. 7 vectors | single vectors | masked rest
 * tile 0 slot 0          16 accumulators: 4 vectors x 4 query heads, all slots of all four tiles
 * tile 1 slot 0          before the next columns
 * ..
 * </pre>
 *
 * The four tiles' rows are visited in turn, so that four streams of memory run at once.
 */
final class QuadSums {
    static final int QUAD = 4;
    private static final long VECTOR_BYTES = 4L * LANES;
    private final MemorySegment slab;
    private final int blockTokens;
    private final int rowBytes;
    private final boolean f32;
    private final boolean bf16;
    private final int stride;
    private final int weightStride;

    QuadSums(CacheGeometry geometry, MemorySegment slab) {
        this.slab = slab;
        this.blockTokens = geometry.blockTokens();
        this.rowBytes = geometry.rowBytes();
        this.f32 = geometry.elementType() == ElementType.F32;
        this.bf16 = geometry.elementType() == ElementType.BF16;
        this.stride = Lanes.splitStride(geometry);
        this.weightStride = QUAD * blockTokens;
    }

    /** Adds four tiles, {@code tiles} being their byte offsets, to the sums of four query heads at {@code at}. */
    void add(long[] tiles, float[] weights, float[] sums, int at) {
        int column = 0;
        int wideBytes = (f32 ? 16 : 8) * LANES;
        for (; column + wideBytes <= rowBytes; column += wideBytes) {
            if (f32) {
                wideFloats(tiles, weights, column, sums, at + column / 4);
            } else {
                widePairs(tiles, weights, column, sums, at + column / 2);
            }
        }
        for (; column < rowBytes; column += 4 * LANES) {
            int left = (rowBytes - column) / 4;
            if (f32) {
                floats(tiles, weights, column, left, sums, at + column / 4);
            } else {
                pairs(tiles, weights, column, left, sums, at + column / 2);
            }
        }
    }

    /** Four vectors of every F32 row, from byte {@code column} of the row. */
    private void wideFloats(long[] tiles, float[] weights, int column, float[] sums, int at) {
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
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = tiles[tile] + (long) slot * rowBytes + column;
                int w = tile * blockTokens + slot;
                FloatVector w0 = FloatVector.broadcast(FLOATS, weights[w]);
                FloatVector w1 = FloatVector.broadcast(FLOATS, weights[w + weightStride]);
                FloatVector w2 = FloatVector.broadcast(FLOATS, weights[w + 2 * weightStride]);
                FloatVector w3 = FloatVector.broadcast(FLOATS, weights[w + 3 * weightStride]);
                FloatVector v0 = Lanes.floats(slab, row, LANES);
                s00 = v0.fma(w0, s00);
                s10 = v0.fma(w1, s10);
                s20 = v0.fma(w2, s20);
                s30 = v0.fma(w3, s30);
                FloatVector v1 = Lanes.floats(slab, row + VECTOR_BYTES, LANES);
                s01 = v1.fma(w0, s01);
                s11 = v1.fma(w1, s11);
                s21 = v1.fma(w2, s21);
                s31 = v1.fma(w3, s31);
                FloatVector v2 = Lanes.floats(slab, row + 2 * VECTOR_BYTES, LANES);
                s02 = v2.fma(w0, s02);
                s12 = v2.fma(w1, s12);
                s22 = v2.fma(w2, s22);
                s32 = v2.fma(w3, s32);
                FloatVector v3 = Lanes.floats(slab, row + 3 * VECTOR_BYTES, LANES);
                s03 = v3.fma(w0, s03);
                s13 = v3.fma(w1, s13);
                s23 = v3.fma(w2, s23);
                s33 = v3.fma(w3, s33);
            }
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

    /** Two vectors of pairs of every 16-bit row, from byte {@code column} of the row. */
    private void widePairs(long[] tiles, float[] weights, int column, float[] sums, int at) {
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
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = tiles[tile] + (long) slot * rowBytes + column;
                int w = tile * blockTokens + slot;
                FloatVector w0 = FloatVector.broadcast(FLOATS, weights[w]);
                FloatVector w1 = FloatVector.broadcast(FLOATS, weights[w + weightStride]);
                FloatVector w2 = FloatVector.broadcast(FLOATS, weights[w + 2 * weightStride]);
                FloatVector w3 = FloatVector.broadcast(FLOATS, weights[w + 3 * weightStride]);
                IntVector p0 = Lanes.pairs(slab, row, LANES);
                FloatVector v0 = Lanes.even(p0, bf16);
                FloatVector v1 = Lanes.odd(p0, bf16);
                s00 = v0.fma(w0, s00);
                s01 = v1.fma(w0, s01);
                s10 = v0.fma(w1, s10);
                s11 = v1.fma(w1, s11);
                s20 = v0.fma(w2, s20);
                s21 = v1.fma(w2, s21);
                s30 = v0.fma(w3, s30);
                s31 = v1.fma(w3, s31);
                IntVector p1 = Lanes.pairs(slab, row + VECTOR_BYTES, LANES);
                FloatVector v2 = Lanes.even(p1, bf16);
                FloatVector v3 = Lanes.odd(p1, bf16);
                s02 = v2.fma(w0, s02);
                s03 = v3.fma(w0, s03);
                s12 = v2.fma(w1, s12);
                s13 = v3.fma(w1, s13);
                s22 = v2.fma(w2, s22);
                s23 = v3.fma(w2, s23);
                s32 = v2.fma(w3, s32);
                s33 = v3.fma(w3, s33);
            }
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

    /** One vector of every F32 row, {@code left} lanes of it, from byte {@code column} of the row. */
    private void floats(long[] tiles, float[] weights, int column, int left, float[] sums, int at) {
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s20 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride);
        FloatVector s30 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride);
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = tiles[tile] + (long) slot * rowBytes + column;
                int w = tile * blockTokens + slot;
                FloatVector w0 = FloatVector.broadcast(FLOATS, weights[w]);
                FloatVector w1 = FloatVector.broadcast(FLOATS, weights[w + weightStride]);
                FloatVector w2 = FloatVector.broadcast(FLOATS, weights[w + 2 * weightStride]);
                FloatVector w3 = FloatVector.broadcast(FLOATS, weights[w + 3 * weightStride]);
                FloatVector v0 = Lanes.floats(slab, row, left);
                s00 = v0.fma(w0, s00);
                s10 = v0.fma(w1, s10);
                s20 = v0.fma(w2, s20);
                s30 = v0.fma(w3, s30);
            }
        }
        s00.intoArray(sums, at);
        s10.intoArray(sums, at + stride);
        s20.intoArray(sums, at + 2 * stride);
        s30.intoArray(sums, at + 3 * stride);
    }

    /** One vector of pairs of every 16-bit row, {@code left} lanes of it, from byte {@code column} of the row. */
    private void pairs(long[] tiles, float[] weights, int column, int left, float[] sums, int at) {
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        FloatVector s20 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride);
        FloatVector s21 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + LANES);
        FloatVector s30 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride);
        FloatVector s31 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + LANES);
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = tiles[tile] + (long) slot * rowBytes + column;
                int w = tile * blockTokens + slot;
                FloatVector w0 = FloatVector.broadcast(FLOATS, weights[w]);
                FloatVector w1 = FloatVector.broadcast(FLOATS, weights[w + weightStride]);
                FloatVector w2 = FloatVector.broadcast(FLOATS, weights[w + 2 * weightStride]);
                FloatVector w3 = FloatVector.broadcast(FLOATS, weights[w + 3 * weightStride]);
                IntVector p0 = Lanes.pairs(slab, row, left);
                FloatVector v0 = Lanes.even(p0, bf16);
                FloatVector v1 = Lanes.odd(p0, bf16);
                s00 = v0.fma(w0, s00);
                s10 = v0.fma(w1, s10);
                s20 = v0.fma(w2, s20);
                s30 = v0.fma(w3, s30);
                s01 = v1.fma(w0, s01);
                s11 = v1.fma(w1, s11);
                s21 = v1.fma(w2, s21);
                s31 = v1.fma(w3, s31);
            }
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
