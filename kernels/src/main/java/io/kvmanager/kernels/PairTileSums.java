package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.INTS;
import static io.kvmanager.kernels.Lanes.LANES;

import io.kvmanager.CacheGeometry;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;

/** Weighted sums of BF16 rows, read in pairs. */
final class PairTileSums implements TileSums {
    private static final int QUAD = FourTiles.QUAD;
    private static final long VECTOR_BYTES = 4L * LANES;
    private final int blockTokens;
    private final int rowLanes;
    private final int stride;
    private final int weightStride;
    private final VectorMask<Integer> restMask;

    PairTileSums(CacheGeometry geometry) {
        this.blockTokens = geometry.blockTokens();
        this.rowLanes = geometry.headSize() / 2;
        this.stride = Lanes.splitStride(geometry);
        this.weightStride = QUAD * blockTokens;
        this.restMask = INTS.indexInRange(0, rowLanes % LANES);
    }

    @Override
    public void add(FourTiles four, float[] sums, int at) {
        int lane = 0;
        for (; lane + 4 * LANES <= rowLanes; lane += 4 * LANES) {
            pairs8(four, 4 * lane, sums, at + 2 * lane);
        }
        for (; lane + 2 * LANES <= rowLanes; lane += 2 * LANES) {
            pairs4(four, 4 * lane, sums, at + 2 * lane);
        }
        for (; lane + LANES <= rowLanes; lane += LANES) {
            pairs1(four, 4 * lane, sums, at + 2 * lane);
        }
        if (lane < rowLanes) {
            rest(four, 4 * lane, sums, at + 2 * lane);
        }
    }

    /** Eight vectors of decoded pairs of every row, from byte {@code column}, for two query heads. */
    private void pairs8(FourTiles four, int column, float[] sums, int at) {
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
                IntVector p0 = Lanes.pairs(four.memory, row);
                IntVector p1 = Lanes.pairs(four.memory, row + VECTOR_BYTES);
                IntVector p2 = Lanes.pairs(four.memory, row + 2 * VECTOR_BYTES);
                IntVector p3 = Lanes.pairs(four.memory, row + 3 * VECTOR_BYTES);
                FloatVector v0 = Lanes.even(p0);
                FloatVector v1 = Lanes.odd(p0);
                FloatVector v2 = Lanes.even(p1);
                FloatVector v3 = Lanes.odd(p1);
                FloatVector v4 = Lanes.even(p2);
                FloatVector v5 = Lanes.odd(p2);
                FloatVector v6 = Lanes.even(p3);
                FloatVector v7 = Lanes.odd(p3);
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

    /** Four vectors of decoded pairs of every row, from byte {@code column}, for two query heads. */
    private void pairs4(FourTiles four, int column, float[] sums, int at) {
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
                IntVector p0 = Lanes.pairs(four.memory, row);
                IntVector p1 = Lanes.pairs(four.memory, row + VECTOR_BYTES);
                FloatVector v0 = Lanes.even(p0);
                FloatVector v1 = Lanes.odd(p0);
                FloatVector v2 = Lanes.even(p1);
                FloatVector v3 = Lanes.odd(p1);
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
    private void pairs1(FourTiles four, int column, float[] sums, int at) {
        long[] tiles = four.tiles;
        float[] weights = four.weights;
        FloatVector s000 = FloatVector.zero(FLOATS);
        FloatVector s001 = s000;
        FloatVector s010 = s000;
        FloatVector s011 = s000;
        FloatVector s100 = s000;
        FloatVector s101 = s000;
        FloatVector s110 = s000;
        FloatVector s111 = s000;
        FloatVector s200 = s000;
        FloatVector s201 = s000;
        FloatVector s210 = s000;
        FloatVector s211 = s000;
        FloatVector s300 = s000;
        FloatVector s301 = s000;
        FloatVector s310 = s000;
        FloatVector s311 = s000;
        for (int slot = 0; slot < blockTokens; slot++) {
            long down = (long) slot * four.rowBytes + column;
            IntVector p0 = Lanes.pairs(four.memory, tiles[0] + down);
            IntVector p1 = Lanes.pairs(four.memory, tiles[1] + down);
            IntVector p2 = Lanes.pairs(four.memory, tiles[2] + down);
            IntVector p3 = Lanes.pairs(four.memory, tiles[3] + down);
            FloatVector even0 = Lanes.even(p0);
            FloatVector odd0 = Lanes.odd(p0);
            FloatVector even1 = Lanes.even(p1);
            FloatVector odd1 = Lanes.odd(p1);
            FloatVector even2 = Lanes.even(p2);
            FloatVector odd2 = Lanes.odd(p2);
            FloatVector even3 = Lanes.even(p3);
            FloatVector odd3 = Lanes.odd(p3);
            FloatVector w00 = FloatVector.broadcast(FLOATS, weights[slot]);
            s000 = even0.fma(w00, s000);
            s001 = odd0.fma(w00, s001);
            FloatVector w01 = FloatVector.broadcast(FLOATS, weights[slot + weightStride]);
            s010 = even0.fma(w01, s010);
            s011 = odd0.fma(w01, s011);
            FloatVector w10 = FloatVector.broadcast(FLOATS, weights[slot + blockTokens]);
            s100 = even1.fma(w10, s100);
            s101 = odd1.fma(w10, s101);
            FloatVector w11 = FloatVector.broadcast(FLOATS, weights[slot + blockTokens + weightStride]);
            s110 = even1.fma(w11, s110);
            s111 = odd1.fma(w11, s111);
            FloatVector w20 = FloatVector.broadcast(FLOATS, weights[slot + 2 * blockTokens]);
            s200 = even2.fma(w20, s200);
            s201 = odd2.fma(w20, s201);
            FloatVector w21 = FloatVector.broadcast(FLOATS, weights[slot + 2 * blockTokens + weightStride]);
            s210 = even2.fma(w21, s210);
            s211 = odd2.fma(w21, s211);
            FloatVector w30 = FloatVector.broadcast(FLOATS, weights[slot + 3 * blockTokens]);
            s300 = even3.fma(w30, s300);
            s301 = odd3.fma(w30, s301);
            FloatVector w31 = FloatVector.broadcast(FLOATS, weights[slot + 3 * blockTokens + weightStride]);
            s310 = even3.fma(w31, s310);
            s311 = odd3.fma(w31, s311);
        }
        s000.add(s100)
                .add(s200.add(s300))
                .add(FloatVector.fromArray(FLOATS, sums, at))
                .intoArray(sums, at);
        s001.add(s101)
                .add(s201.add(s301))
                .add(FloatVector.fromArray(FLOATS, sums, at + LANES))
                .intoArray(sums, at + LANES);
        s010.add(s110)
                .add(s210.add(s310))
                .add(FloatVector.fromArray(FLOATS, sums, at + stride))
                .intoArray(sums, at + stride);
        s011.add(s111)
                .add(s211.add(s311))
                .add(FloatVector.fromArray(FLOATS, sums, at + stride + LANES))
                .intoArray(sums, at + stride + LANES);
    }

    /** What is left of every row behind its whole vectors. */
    private void rest(FourTiles four, int column, float[] sums, int at) {
        FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
        FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
        FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
        for (int slot = 0; slot < blockTokens; slot++) {
            for (int tile = 0; tile < QUAD; tile++) {
                long row = four.tiles[tile] + (long) slot * four.rowBytes + column;
                int w = tile * blockTokens + slot;
                IntVector pairs = Lanes.pairs(four.memory, row, restMask);
                FloatVector even = Lanes.even(pairs);
                FloatVector odd = Lanes.odd(pairs);
                FloatVector w0 = FloatVector.broadcast(FLOATS, four.weights[w]);
                FloatVector w1 = FloatVector.broadcast(FLOATS, four.weights[w + weightStride]);
                s00 = even.fma(w0, s00);
                s01 = odd.fma(w0, s01);
                s10 = even.fma(w1, s10);
                s11 = odd.fma(w1, s11);
            }
        }
        s00.intoArray(sums, at);
        s01.intoArray(sums, at + LANES);
        s10.intoArray(sums, at + stride);
        s11.intoArray(sums, at + stride + LANES);
    }
}
