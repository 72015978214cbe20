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
    /** Query heads that are computed together. */
    static final int HEADS = 2;

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

    /** Adds four tiles, {@code tiles} being their byte offsets, to the sums of two query heads at {@code at}. */
    void add(long[] tiles, float[] weights, float[] sums, int at) {
        int column = 0;
        int wideBytes = (f32 ? 32 : 16) * LANES;
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

    private void wideFloats(long[] tiles, float[] weights, int column, float[] sums, int at) {
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s02 = FloatVector.fromArray(FLOATS, sums, at + 2 * LANES);
        FloatVector s03 = FloatVector.fromArray(FLOATS, sums, at + 3 * LANES);
        FloatVector s04 = FloatVector.fromArray(FLOATS, sums, at + 4 * LANES);
        FloatVector s05 = FloatVector.fromArray(FLOATS, sums, at + 5 * LANES);
        FloatVector s06 = FloatVector.fromArray(FLOATS, sums, at + 6 * LANES);
        FloatVector s07 = FloatVector.fromArray(FLOATS, sums, at + 7 * LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        FloatVector s12 = FloatVector.fromArray(FLOATS, sums, at + stride + 2 * LANES);
        FloatVector s13 = FloatVector.fromArray(FLOATS, sums, at + stride + 3 * LANES);
        FloatVector s14 = FloatVector.fromArray(FLOATS, sums, at + stride + 4 * LANES);
        FloatVector s15 = FloatVector.fromArray(FLOATS, sums, at + stride + 5 * LANES);
        FloatVector s16 = FloatVector.fromArray(FLOATS, sums, at + stride + 6 * LANES);
        FloatVector s17 = FloatVector.fromArray(FLOATS, sums, at + stride + 7 * LANES);
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = tiles[tile] + (long) slot * rowBytes + column;
                int w = tile * blockTokens + slot;
                FloatVector w0 = FloatVector.broadcast(FLOATS, weights[w]);
                FloatVector w1 = FloatVector.broadcast(FLOATS, weights[w + weightStride]);
                FloatVector v0 = Lanes.floats(slab, row, LANES);
                s00 = v0.fma(w0, s00);
                s10 = v0.fma(w1, s10);
                FloatVector v1 = Lanes.floats(slab, row + VECTOR_BYTES, LANES);
                s01 = v1.fma(w0, s01);
                s11 = v1.fma(w1, s11);
                FloatVector v2 = Lanes.floats(slab, row + 2 * VECTOR_BYTES, LANES);
                s02 = v2.fma(w0, s02);
                s12 = v2.fma(w1, s12);
                FloatVector v3 = Lanes.floats(slab, row + 3 * VECTOR_BYTES, LANES);
                s03 = v3.fma(w0, s03);
                s13 = v3.fma(w1, s13);
                FloatVector v4 = Lanes.floats(slab, row + 4 * VECTOR_BYTES, LANES);
                s04 = v4.fma(w0, s04);
                s14 = v4.fma(w1, s14);
                FloatVector v5 = Lanes.floats(slab, row + 5 * VECTOR_BYTES, LANES);
                s05 = v5.fma(w0, s05);
                s15 = v5.fma(w1, s15);
                FloatVector v6 = Lanes.floats(slab, row + 6 * VECTOR_BYTES, LANES);
                s06 = v6.fma(w0, s06);
                s16 = v6.fma(w1, s16);
                FloatVector v7 = Lanes.floats(slab, row + 7 * VECTOR_BYTES, LANES);
                s07 = v7.fma(w0, s07);
                s17 = v7.fma(w1, s17);
            }
        }
        s00.intoArray(sums, at);
        s01.intoArray(sums, at + LANES);
        s02.intoArray(sums, at + 2 * LANES);
        s03.intoArray(sums, at + 3 * LANES);
        s04.intoArray(sums, at + 4 * LANES);
        s05.intoArray(sums, at + 5 * LANES);
        s06.intoArray(sums, at + 6 * LANES);
        s07.intoArray(sums, at + 7 * LANES);
        s10.intoArray(sums, at + stride);
        s11.intoArray(sums, at + stride + LANES);
        s12.intoArray(sums, at + stride + 2 * LANES);
        s13.intoArray(sums, at + stride + 3 * LANES);
        s14.intoArray(sums, at + stride + 4 * LANES);
        s15.intoArray(sums, at + stride + 5 * LANES);
        s16.intoArray(sums, at + stride + 6 * LANES);
        s17.intoArray(sums, at + stride + 7 * LANES);
    }

    private void widePairs(long[] tiles, float[] weights, int column, float[] sums, int at) {
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s02 = FloatVector.fromArray(FLOATS, sums, at + 2 * LANES);
        FloatVector s03 = FloatVector.fromArray(FLOATS, sums, at + 3 * LANES);
        FloatVector s04 = FloatVector.fromArray(FLOATS, sums, at + 4 * LANES);
        FloatVector s05 = FloatVector.fromArray(FLOATS, sums, at + 5 * LANES);
        FloatVector s06 = FloatVector.fromArray(FLOATS, sums, at + 6 * LANES);
        FloatVector s07 = FloatVector.fromArray(FLOATS, sums, at + 7 * LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        FloatVector s12 = FloatVector.fromArray(FLOATS, sums, at + stride + 2 * LANES);
        FloatVector s13 = FloatVector.fromArray(FLOATS, sums, at + stride + 3 * LANES);
        FloatVector s14 = FloatVector.fromArray(FLOATS, sums, at + stride + 4 * LANES);
        FloatVector s15 = FloatVector.fromArray(FLOATS, sums, at + stride + 5 * LANES);
        FloatVector s16 = FloatVector.fromArray(FLOATS, sums, at + stride + 6 * LANES);
        FloatVector s17 = FloatVector.fromArray(FLOATS, sums, at + stride + 7 * LANES);
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = tiles[tile] + (long) slot * rowBytes + column;
                IntVector p0 = Lanes.pairs(slab, row, LANES);
                IntVector p1 = Lanes.pairs(slab, row + VECTOR_BYTES, LANES);
                IntVector p2 = Lanes.pairs(slab, row + 2 * VECTOR_BYTES, LANES);
                IntVector p3 = Lanes.pairs(slab, row + 3 * VECTOR_BYTES, LANES);
                FloatVector v0 = Lanes.even(p0, bf16);
                FloatVector v1 = Lanes.odd(p0, bf16);
                FloatVector v2 = Lanes.even(p1, bf16);
                FloatVector v3 = Lanes.odd(p1, bf16);
                FloatVector v4 = Lanes.even(p2, bf16);
                FloatVector v5 = Lanes.odd(p2, bf16);
                FloatVector v6 = Lanes.even(p3, bf16);
                FloatVector v7 = Lanes.odd(p3, bf16);
                int w = tile * blockTokens + slot;
                FloatVector w0 = FloatVector.broadcast(FLOATS, weights[w]);
                FloatVector w1 = FloatVector.broadcast(FLOATS, weights[w + weightStride]);
                s00 = v0.fma(w0, s00);
                s10 = v0.fma(w1, s10);
                s01 = v1.fma(w0, s01);
                s11 = v1.fma(w1, s11);
                s02 = v2.fma(w0, s02);
                s12 = v2.fma(w1, s12);
                s03 = v3.fma(w0, s03);
                s13 = v3.fma(w1, s13);
                s04 = v4.fma(w0, s04);
                s14 = v4.fma(w1, s14);
                s05 = v5.fma(w0, s05);
                s15 = v5.fma(w1, s15);
                s06 = v6.fma(w0, s06);
                s16 = v6.fma(w1, s16);
                s07 = v7.fma(w0, s07);
                s17 = v7.fma(w1, s17);
            }
        }
        s00.intoArray(sums, at);
        s01.intoArray(sums, at + LANES);
        s02.intoArray(sums, at + 2 * LANES);
        s03.intoArray(sums, at + 3 * LANES);
        s04.intoArray(sums, at + 4 * LANES);
        s05.intoArray(sums, at + 5 * LANES);
        s06.intoArray(sums, at + 6 * LANES);
        s07.intoArray(sums, at + 7 * LANES);
        s10.intoArray(sums, at + stride);
        s11.intoArray(sums, at + stride + LANES);
        s12.intoArray(sums, at + stride + 2 * LANES);
        s13.intoArray(sums, at + stride + 3 * LANES);
        s14.intoArray(sums, at + stride + 4 * LANES);
        s15.intoArray(sums, at + stride + 5 * LANES);
        s16.intoArray(sums, at + stride + 6 * LANES);
        s17.intoArray(sums, at + stride + 7 * LANES);
    }

    private void floats(long[] tiles, float[] weights, int column, int left, float[] sums, int at) {
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = tiles[tile] + (long) slot * rowBytes + column;
                int w = tile * blockTokens + slot;
                FloatVector w0 = FloatVector.broadcast(FLOATS, weights[w]);
                FloatVector w1 = FloatVector.broadcast(FLOATS, weights[w + weightStride]);
                FloatVector v0 = Lanes.floats(slab, row, left);
                s00 = v0.fma(w0, s00);
                s10 = v0.fma(w1, s10);
            }
        }
        s00.intoArray(sums, at);
        s10.intoArray(sums, at + stride);
    }

    private void pairs(long[] tiles, float[] weights, int column, int left, float[] sums, int at) {
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = tiles[tile] + (long) slot * rowBytes + column;
                int w = tile * blockTokens + slot;
                FloatVector w0 = FloatVector.broadcast(FLOATS, weights[w]);
                FloatVector w1 = FloatVector.broadcast(FLOATS, weights[w + weightStride]);
                IntVector p0 = Lanes.pairs(slab, row, left);
                FloatVector v0 = Lanes.even(p0, bf16);
                FloatVector v1 = Lanes.odd(p0, bf16);
                s00 = v0.fma(w0, s00);
                s10 = v0.fma(w1, s10);
                s01 = v1.fma(w0, s01);
                s11 = v1.fma(w1, s11);
            }
        }
        s00.intoArray(sums, at);
        s01.intoArray(sums, at + LANES);
        s10.intoArray(sums, at + stride);
        s11.intoArray(sums, at + stride + LANES);
    }
}
