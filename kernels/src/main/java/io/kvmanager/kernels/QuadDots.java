package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.INTS;
import static io.kvmanager.kernels.Lanes.LANES;

import io.kvmanager.CacheGeometry;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * Dot products of four stored rows with four queries.
 *
 * <pre>
 * accumulators   s(query, row), 16 vectors; every loaded row vector meets four queries, every query vector four rows
 * fold           adds lanes of two vectors and interleaves the sums, four levels for 16 lanes:
 *
 *   a: a0 a1 a2 a3 ..   b: b0 b1 b2 b3 ..   ->   a0+a1 b0+b1 a2+a3 b2+b3 ..      level 0
 *   and the same with runs of 2, 4, 8 lanes; lane i of the last vector is the sum of accumulator i
 * </pre>
 *
 * A fold tree needs 15 folds for 16 sums where 16 separate reductions would need 64 adds and as many shuffles.
 *
 * <p>Queries are prepared once per attention, by {@link #prepare}: scaled, padded with zeros, and
 * stored so that the four query vectors that meet one row vector lie together, in the order {@link Lanes} reads rows.
 */
final class QuadDots {
    /** Floats that {@link #row} needs to work in. */
    static final int SCRATCH_FLOATS = 64 * LANES;

    private static final int QUAD = 4;
    private static final VectorMask<Float> SECOND_1 = second(1);
    private static final VectorMask<Float> SECOND_2 = second(2);
    private static final VectorMask<Float> SECOND_4 = second(4);
    private static final VectorMask<Float> SECOND_8 = second(8);
    private static final VectorShuffle<Float> SWAP_1 = swap(1);
    private static final VectorShuffle<Float> SWAP_2 = swap(2);
    private static final VectorShuffle<Float> SWAP_4 = swap(4);
    private static final VectorShuffle<Float> SWAP_8 = swap(8);

    private final boolean inPairs;
    private final int headSize;
    private final int vectors;
    private final int wholeLanes;
    private final int restLanes;
    private final VectorMask<Float> restFloats;
    private final VectorMask<Integer> restPairs;
    private final int stride;
    private final float scale;
    private final float[] queries;
    private final int queryHeads;
    private final int groupSize;
    private final int quadsPerGroup;

    /**
     * Always LANES, but not a constant to the compiler, which would split the range checks of a loop with a constant
     * step out of it: for these loops of a few turns that costs more than the loop.
     */
    private final int step;

    QuadDots(CacheGeometry geometry) {
        this.inPairs = Lanes.inPairs(geometry);
        this.headSize = geometry.headSize();
        this.vectors = inPairs ? 2 : 1;
        this.restLanes = headSize / vectors % LANES;
        this.wholeLanes = headSize / vectors - restLanes;
        this.restFloats = FLOATS.indexInRange(0, restLanes);
        this.restPairs = INTS.indexInRange(0, restLanes);
        this.step = LANES;
        this.stride = Lanes.splitStride(geometry);
        this.scale = (float) (1 / Math.sqrt(headSize));
        this.queryHeads = geometry.queryHeads();
        this.groupSize = geometry.groupSize();
        this.quadsPerGroup = (groupSize + QUAD - 1) / QUAD;
        this.queries = new float[geometry.kvHeads() * quadsPerGroup * QUAD * stride];
    }

    /** Takes over the queries of all heads, {@code q [queryHeads][headSize]}. */
    void prepare(MemorySegment q) {
        int loadFloats = vectors * LANES;
        for (int head = 0; head < queryHeads; head++) {
            int inGroup = head % groupSize;
            int quad = head / groupSize * quadsPerGroup + inGroup / QUAD;
            int at = quad * QUAD * stride + inGroup % QUAD * loadFloats;
            long from = (long) head * headSize;
            for (int e = 0; e < headSize; e++) {
                int split = Lanes.splitIndex(inPairs, e);
                int to = at + split / loadFloats * QUAD * loadFloats + split % loadFloats;
                queries[to] = q.getAtIndex(ValueLayout.JAVA_FLOAT, from + e) * scale;
            }
        }
    }

    /**
     * Accumulates four rows, one of each of four runs, against queries {@code first..first+3} of a group.
     *
     * @param slot which of the four rows of their runs these are
     */
    void row(
            MemorySegment memory,
            int kvHead,
            int first,
            int slot,
            long row0,
            long row1,
            long row2,
            long row3,
            float[] sums) {
        int at = (kvHead * quadsPerGroup + first / QUAD) * QUAD * stride;
        int to = slot * LANES;
        if (inPairs) {
            pairs(memory, row0, row1, row2, row3, at, sums, to);
        } else {
            floats(memory, row0, row1, row2, row3, at, sums, to);
        }
        if (restLanes > 0) {
            long down = 4L * wholeLanes;
            int rest = at + QUAD * vectors * wholeLanes;
            rest(memory, row0 + down, rest, sums, to);
            rest(memory, row1 + down, rest, sums, to + QUAD * LANES);
            rest(memory, row2 + down, rest, sums, to + 2 * QUAD * LANES);
            rest(memory, row3 + down, rest, sums, to + 3 * QUAD * LANES);
        }
    }

    private void floats(
            MemorySegment memory, long row0, long row1, long row2, long row3, int at, float[] sums, int to) {
        FloatVector s00 = FloatVector.zero(FLOATS);
        FloatVector s01 = s00;
        FloatVector s02 = s00;
        FloatVector s03 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s12 = s00;
        FloatVector s13 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s22 = s00;
        FloatVector s23 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        FloatVector s32 = s00;
        FloatVector s33 = s00;
        for (int e = 0; e < wholeLanes; e += step) {
            long down = 4L * e;
            FloatVector k0 = Lanes.floats(memory, row0 + down);
            FloatVector k1 = Lanes.floats(memory, row1 + down);
            FloatVector k2 = Lanes.floats(memory, row2 + down);
            FloatVector k3 = Lanes.floats(memory, row3 + down);
            int query = at + QUAD * e;
            FloatVector q0 = FloatVector.fromArray(FLOATS, queries, query);
            s00 = k0.fma(q0, s00);
            s01 = k1.fma(q0, s01);
            s02 = k2.fma(q0, s02);
            s03 = k3.fma(q0, s03);
            FloatVector q1 = FloatVector.fromArray(FLOATS, queries, query + LANES);
            s10 = k0.fma(q1, s10);
            s11 = k1.fma(q1, s11);
            s12 = k2.fma(q1, s12);
            s13 = k3.fma(q1, s13);
            FloatVector q2 = FloatVector.fromArray(FLOATS, queries, query + 2 * LANES);
            s20 = k0.fma(q2, s20);
            s21 = k1.fma(q2, s21);
            s22 = k2.fma(q2, s22);
            s23 = k3.fma(q2, s23);
            FloatVector q3 = FloatVector.fromArray(FLOATS, queries, query + 3 * LANES);
            s30 = k0.fma(q3, s30);
            s31 = k1.fma(q3, s31);
            s32 = k2.fma(q3, s32);
            s33 = k3.fma(q3, s33);
        }
        s00.intoArray(sums, to);
        s01.intoArray(sums, to + 4 * LANES);
        s02.intoArray(sums, to + 8 * LANES);
        s03.intoArray(sums, to + 12 * LANES);
        s10.intoArray(sums, to + 16 * LANES);
        s11.intoArray(sums, to + 20 * LANES);
        s12.intoArray(sums, to + 24 * LANES);
        s13.intoArray(sums, to + 28 * LANES);
        s20.intoArray(sums, to + 32 * LANES);
        s21.intoArray(sums, to + 36 * LANES);
        s22.intoArray(sums, to + 40 * LANES);
        s23.intoArray(sums, to + 44 * LANES);
        s30.intoArray(sums, to + 48 * LANES);
        s31.intoArray(sums, to + 52 * LANES);
        s32.intoArray(sums, to + 56 * LANES);
        s33.intoArray(sums, to + 60 * LANES);
    }

    private void pairs(MemorySegment memory, long row0, long row1, long row2, long row3, int at, float[] sums, int to) {
        FloatVector s00 = FloatVector.zero(FLOATS);
        FloatVector s01 = s00;
        FloatVector s02 = s00;
        FloatVector s03 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s12 = s00;
        FloatVector s13 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s22 = s00;
        FloatVector s23 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        FloatVector s32 = s00;
        FloatVector s33 = s00;
        for (int pair = 0; pair < wholeLanes; pair += step) {
            long down = 4L * pair;
            IntVector k0 = Lanes.pairs(memory, row0 + down);
            IntVector k1 = Lanes.pairs(memory, row1 + down);
            IntVector k2 = Lanes.pairs(memory, row2 + down);
            IntVector k3 = Lanes.pairs(memory, row3 + down);
            FloatVector even0 = Lanes.even(k0);
            FloatVector odd0 = Lanes.odd(k0);
            FloatVector even1 = Lanes.even(k1);
            FloatVector odd1 = Lanes.odd(k1);
            FloatVector even2 = Lanes.even(k2);
            FloatVector odd2 = Lanes.odd(k2);
            FloatVector even3 = Lanes.even(k3);
            FloatVector odd3 = Lanes.odd(k3);
            int query = at + 2 * QUAD * pair;
            FloatVector e0 = FloatVector.fromArray(FLOATS, queries, query);
            FloatVector o0 = FloatVector.fromArray(FLOATS, queries, query + LANES);
            s00 = odd0.fma(o0, even0.fma(e0, s00));
            s01 = odd1.fma(o0, even1.fma(e0, s01));
            s02 = odd2.fma(o0, even2.fma(e0, s02));
            s03 = odd3.fma(o0, even3.fma(e0, s03));
            FloatVector e1 = FloatVector.fromArray(FLOATS, queries, query + 2 * LANES);
            FloatVector o1 = FloatVector.fromArray(FLOATS, queries, query + 3 * LANES);
            s10 = odd0.fma(o1, even0.fma(e1, s10));
            s11 = odd1.fma(o1, even1.fma(e1, s11));
            s12 = odd2.fma(o1, even2.fma(e1, s12));
            s13 = odd3.fma(o1, even3.fma(e1, s13));
            FloatVector e2 = FloatVector.fromArray(FLOATS, queries, query + 4 * LANES);
            FloatVector o2 = FloatVector.fromArray(FLOATS, queries, query + 5 * LANES);
            s20 = odd0.fma(o2, even0.fma(e2, s20));
            s21 = odd1.fma(o2, even1.fma(e2, s21));
            s22 = odd2.fma(o2, even2.fma(e2, s22));
            s23 = odd3.fma(o2, even3.fma(e2, s23));
            FloatVector e3 = FloatVector.fromArray(FLOATS, queries, query + 6 * LANES);
            FloatVector o3 = FloatVector.fromArray(FLOATS, queries, query + 7 * LANES);
            s30 = odd0.fma(o3, even0.fma(e3, s30));
            s31 = odd1.fma(o3, even1.fma(e3, s31));
            s32 = odd2.fma(o3, even2.fma(e3, s32));
            s33 = odd3.fma(o3, even3.fma(e3, s33));
        }
        s00.intoArray(sums, to);
        s01.intoArray(sums, to + 4 * LANES);
        s02.intoArray(sums, to + 8 * LANES);
        s03.intoArray(sums, to + 12 * LANES);
        s10.intoArray(sums, to + 16 * LANES);
        s11.intoArray(sums, to + 20 * LANES);
        s12.intoArray(sums, to + 24 * LANES);
        s13.intoArray(sums, to + 28 * LANES);
        s20.intoArray(sums, to + 32 * LANES);
        s21.intoArray(sums, to + 36 * LANES);
        s22.intoArray(sums, to + 40 * LANES);
        s23.intoArray(sums, to + 44 * LANES);
        s30.intoArray(sums, to + 48 * LANES);
        s31.intoArray(sums, to + 52 * LANES);
        s32.intoArray(sums, to + 56 * LANES);
        s33.intoArray(sums, to + 60 * LANES);
    }

    /** Adds what is left of a row behind its whole vectors, for one row and four queries. */
    private void rest(MemorySegment memory, long offset, int query, float[] sums, int to) {
        if (inPairs) {
            IntVector pairs = Lanes.pairs(memory, offset, restPairs);
            FloatVector even = Lanes.even(pairs);
            FloatVector odd = Lanes.odd(pairs);
            for (int i = 0; i < QUAD; i++) {
                int sum = to + i * QUAD * QUAD * LANES;
                FloatVector evenQuery = FloatVector.fromArray(FLOATS, queries, query + 2 * i * LANES);
                FloatVector oddQuery = FloatVector.fromArray(FLOATS, queries, query + (2 * i + 1) * LANES);
                odd.fma(oddQuery, even.fma(evenQuery, accumulator(sums, sum))).intoArray(sums, sum);
            }
        } else {
            FloatVector elements = Lanes.floats(memory, offset, restFloats);
            for (int i = 0; i < QUAD; i++) {
                int sum = to + i * QUAD * QUAD * LANES;
                FloatVector queryElements = FloatVector.fromArray(FLOATS, queries, query + i * LANES);
                elements.fma(queryElements, accumulator(sums, sum)).intoArray(sums, sum);
            }
        }
    }

    /** Reduces the accumulators of one query: {@code sums[from + 4 * run + slot]} are its 16 scores. */
    static void fold(float[] sums, int query) {
        int from = query * QUAD * QUAD * LANES;
        for (int i = 0; i < QUAD * LANES; i += LANES) {
            int at = from + QUAD * i;
            FloatVector a = fold(accumulator(sums, at), accumulator(sums, at + LANES), SECOND_1, SWAP_1);
            FloatVector b =
                    fold(accumulator(sums, at + 2 * LANES), accumulator(sums, at + 3 * LANES), SECOND_1, SWAP_1);
            fold(a, b, SECOND_2, SWAP_2).intoArray(sums, from + i);
        }
        if (LANES > QUAD) {
            FloatVector a = fold(accumulator(sums, from), accumulator(sums, from + LANES), SECOND_4, SWAP_4);
            FloatVector b =
                    fold(accumulator(sums, from + 2 * LANES), accumulator(sums, from + 3 * LANES), SECOND_4, SWAP_4);
            if (LANES > 2 * QUAD) {
                fold(a, b, SECOND_8, SWAP_8).intoArray(sums, from);
            } else {
                a.intoArray(sums, from);
                b.intoArray(sums, from + LANES);
            }
        }
    }

    /** Index in {@code sums} of a folded score. */
    static int scoreIndex(int query, int run) {
        return query * QUAD * QUAD * LANES + QUAD * run;
    }

    private static FloatVector accumulator(float[] sums, int at) {
        return FloatVector.fromArray(FLOATS, sums, at);
    }

    private static FloatVector fold(FloatVector a, FloatVector b, VectorMask<Float> second, VectorShuffle<Float> swap) {
        return a.blend(b, second).add(b.blend(a, second).rearrange(swap));
    }

    /** Lanes that hold the second vector's sums after a fold of runs of {@code run} lanes. */
    private static VectorMask<Float> second(int run) {
        boolean[] second = new boolean[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            second[lane] = lane / run % 2 == 1;
        }
        return VectorMask.fromArray(FLOATS, second, 0);
    }

    /** Swaps neighbouring runs of {@code run} lanes. */
    private static VectorShuffle<Float> swap(int run) {
        int[] from = new int[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            from[lane] = (lane ^ run) % LANES;
        }
        return VectorShuffle.fromArray(FLOATS, from, 0);
    }
}
