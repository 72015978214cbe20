package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.LANES;

import io.kvmanager.CacheGeometry;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Weighted sums of F32 rows. */
final class FloatTileSums implements TileSums {
    private static final int QUAD = FourTiles.QUAD;
    private static final long VECTOR_BYTES = 4L * LANES;
    private final int blockTokens;
    private final int rowLanes;
    private final int stride;
    private final int weightStride;
    private final VectorMask<Float> restMask;

    FloatTileSums(CacheGeometry geometry) {
        this.blockTokens = geometry.blockTokens();
        this.rowLanes = geometry.headSize();
        this.stride = Lanes.splitStride(geometry);
        this.weightStride = QUAD * blockTokens;
        this.restMask = FLOATS.indexInRange(0, rowLanes % LANES);
    }

    @Override
    public void add(FourTiles four, float[] sums, int at) {
        int lane = 0;
        for (; lane + 8 * LANES <= rowLanes; lane += 8 * LANES) {
            floats8(four, 4 * lane, sums, at + lane);
        }
        for (; lane + 4 * LANES <= rowLanes; lane += 4 * LANES) {
            floats4(four, 4 * lane, sums, at + lane);
        }
        for (; lane + LANES <= rowLanes; lane += LANES) {
            floats1(four, 4 * lane, sums, at + lane);
        }
        if (lane < rowLanes) {
            rest(four, 4 * lane, sums, at + lane);
        }
    }

    /** Eight vectors of every row, from byte {@code column}, for two query heads. */
    private void floats8(FourTiles four, int column, float[] sums, int at) {
        long[] tiles = four.tiles;
        float[] weights = four.weights;
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
                long row = tiles[tile] + (long) slot * four.rowBytes + column;
                int w = tile * blockTokens + slot;
                FloatVector v0 = Lanes.floats(four.memory, row);
                FloatVector v1 = Lanes.floats(four.memory, row + VECTOR_BYTES);
                FloatVector v2 = Lanes.floats(four.memory, row + 2 * VECTOR_BYTES);
                FloatVector v3 = Lanes.floats(four.memory, row + 3 * VECTOR_BYTES);
                FloatVector v4 = Lanes.floats(four.memory, row + 4 * VECTOR_BYTES);
                FloatVector v5 = Lanes.floats(four.memory, row + 5 * VECTOR_BYTES);
                FloatVector v6 = Lanes.floats(four.memory, row + 6 * VECTOR_BYTES);
                FloatVector v7 = Lanes.floats(four.memory, row + 7 * VECTOR_BYTES);
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

    /** Four vectors of every row, from byte {@code column}, for two query heads. */
    private void floats4(FourTiles four, int column, float[] sums, int at) {
        long[] tiles = four.tiles;
        float[] weights = four.weights;
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s02 = FloatVector.fromArray(FLOATS, sums, at + 2 * LANES);
        FloatVector s03 = FloatVector.fromArray(FLOATS, sums, at + 3 * LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        FloatVector s12 = FloatVector.fromArray(FLOATS, sums, at + stride + 2 * LANES);
        FloatVector s13 = FloatVector.fromArray(FLOATS, sums, at + stride + 3 * LANES);
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = tiles[tile] + (long) slot * four.rowBytes + column;
                int w = tile * blockTokens + slot;
                FloatVector v0 = Lanes.floats(four.memory, row);
                FloatVector v1 = Lanes.floats(four.memory, row + VECTOR_BYTES);
                FloatVector v2 = Lanes.floats(four.memory, row + 2 * VECTOR_BYTES);
                FloatVector v3 = Lanes.floats(four.memory, row + 3 * VECTOR_BYTES);
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
    }

    /** One load of every row; each tile has accumulators of its own. */
    private void floats1(FourTiles four, int column, float[] sums, int at) {
        long[] tiles = four.tiles;
        float[] weights = four.weights;
        FloatVector s000 = FloatVector.zero(FLOATS);
        FloatVector s010 = s000;
        FloatVector s100 = s000;
        FloatVector s110 = s000;
        FloatVector s200 = s000;
        FloatVector s210 = s000;
        FloatVector s300 = s000;
        FloatVector s310 = s000;
        for (int slot = 0; slot < blockTokens; slot++) {
            long down = (long) slot * four.rowBytes + column;
            FloatVector v0 = Lanes.floats(four.memory, tiles[0] + down);
            FloatVector v1 = Lanes.floats(four.memory, tiles[1] + down);
            FloatVector v2 = Lanes.floats(four.memory, tiles[2] + down);
            FloatVector v3 = Lanes.floats(four.memory, tiles[3] + down);
            FloatVector w00 = FloatVector.broadcast(FLOATS, weights[slot]);
            s000 = v0.fma(w00, s000);
            FloatVector w01 = FloatVector.broadcast(FLOATS, weights[slot + weightStride]);
            s010 = v0.fma(w01, s010);
            FloatVector w10 = FloatVector.broadcast(FLOATS, weights[slot + blockTokens]);
            s100 = v1.fma(w10, s100);
            FloatVector w11 = FloatVector.broadcast(FLOATS, weights[slot + blockTokens + weightStride]);
            s110 = v1.fma(w11, s110);
            FloatVector w20 = FloatVector.broadcast(FLOATS, weights[slot + 2 * blockTokens]);
            s200 = v2.fma(w20, s200);
            FloatVector w21 = FloatVector.broadcast(FLOATS, weights[slot + 2 * blockTokens + weightStride]);
            s210 = v2.fma(w21, s210);
            FloatVector w30 = FloatVector.broadcast(FLOATS, weights[slot + 3 * blockTokens]);
            s300 = v3.fma(w30, s300);
            FloatVector w31 = FloatVector.broadcast(FLOATS, weights[slot + 3 * blockTokens + weightStride]);
            s310 = v3.fma(w31, s310);
        }
        s000.add(s100)
                .add(s200.add(s300))
                .add(FloatVector.fromArray(FLOATS, sums, at))
                .intoArray(sums, at);
        s010.add(s110)
                .add(s210.add(s310))
                .add(FloatVector.fromArray(FLOATS, sums, at + stride))
                .intoArray(sums, at + stride);
    }

    /** What is left of every row behind its whole vectors. */
    private void rest(FourTiles four, int column, float[] sums, int at) {
        FloatVector s0 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s1 = FloatVector.fromArray(FLOATS, sums, at + stride);
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = four.tiles[tile] + (long) slot * four.rowBytes + column;
                int w = tile * blockTokens + slot;
                FloatVector elements = Lanes.floats(four.memory, row, restMask);
                s0 = elements.fma(FloatVector.broadcast(FLOATS, four.weights[w]), s0);
                s1 = elements.fma(FloatVector.broadcast(FLOATS, four.weights[w + weightStride]), s1);
            }
        }
        s0.intoArray(sums, at);
        s1.intoArray(sums, at + stride);
    }
}
