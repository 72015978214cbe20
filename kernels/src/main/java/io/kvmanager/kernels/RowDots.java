package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.INTS;
import static io.kvmanager.kernels.Lanes.LANES;
import static io.kvmanager.kernels.Lanes.ORDER;

import io.kvmanager.CacheGeometry;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/**
 * Dot products of the rows of a {@link RowPanel} with four queries.
 *
 * <pre>
 * accumulate     two rows x four queries: 8 accumulators, which 16 registers hold; every query vector meets two rows
 * fold           adds lanes of two vectors and interleaves the sums, log2(lanes) levels:
 *
 *   a: a0 a1 a2 a3 ..   b: b0 b1 b2 b3 ..   ->   a0+a1 b0+b1 a2+a3 b2+b3 ..      level 0
 *   and the same with runs of 2, 4, 8 lanes; lane i of the last vector is the sum of accumulator i
 * </pre>
 *
 * As many rows as there are lanes make one vector of scores, with less than one fold a score. Folding a whole panel
 * at a time keeps the folds' constants in registers.
 *
 * <p>Queries are prepared once per attention, by {@link #prepare}: scaled, padded with zeros, and stored so that what
 * meets one step of a row lies together, in the order {@link Lanes} reads rows.
 */
final class RowDots {
    /** Query heads that are computed together. */
    static final int HEADS = 4;

    private static final int HALF_BITS = 16;
    private static final int ROWS = RowPanel.ROWS;
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
    private final int stride;
    private final float scale;
    private final float[] queries;
    private final int queryHeads;
    private final int groupSize;
    private final int quadsPerGroup;

    /**
     * Always {@link Lanes#STEP}, but not a constant to the compiler, which would split the range checks of a loop
     * with a constant step out of it: for these loops of a few turns that costs more than the loop.
     */
    private final int step;

    RowDots(CacheGeometry geometry) {
        this.inPairs = Lanes.inPairs(geometry);
        this.headSize = geometry.headSize();
        this.step = Lanes.STEP;
        this.stride = Lanes.splitStride(geometry);
        this.scale = (float) (1 / Math.sqrt(headSize));
        this.queryHeads = geometry.queryHeads();
        this.groupSize = geometry.groupSize();
        this.quadsPerGroup = (groupSize + HEADS - 1) / HEADS;
        this.queries = new float[geometry.kvHeads() * quadsPerGroup * HEADS * stride];
    }

    /** Takes over the queries of all heads, {@code q [queryHeads][headSize]}. */
    void prepare(MemorySegment q) {
        int together = inPairs ? Lanes.STEP : LANES;
        for (int head = 0; head < queryHeads; head++) {
            int inGroup = head % groupSize;
            int quad = head / groupSize * quadsPerGroup + inGroup / HEADS;
            int at = quad * HEADS * stride + inGroup % HEADS * together;
            long from = (long) head * headSize;
            for (int e = 0; e < headSize; e++) {
                int split = Lanes.splitIndex(inPairs, e);
                int to = at + split / together * HEADS * together + split % together;
                queries[to] = q.getAtIndex(ValueLayout.JAVA_FLOAT, from + e) * scale;
            }
        }
    }

    /** Accumulates rows {@code row} and {@code row + 1} against queries {@code first..first+3} of a group. */
    void pair(RowPanel panel, int kvHead, int first, int row) {
        int at = (kvHead * quadsPerGroup + first / HEADS) * HEADS * stride;
        if (inPairs) {
            pairs(panel.memory, panel.rows[row], panel.rows[row + 1], at, panel.sums, row * LANES);
        } else {
            floats(panel.memory, panel.rows[row], panel.rows[row + 1], at, panel.sums, row * LANES);
        }
    }

    private void floats(MemorySegment memory, long row0, long row1, int at, float[] sums, int to) {
        FloatVector s00 = FloatVector.zero(FLOATS);
        FloatVector s01 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        for (int e = 0; e < stride; e += step) {
            int query = at + HEADS * e;
            FloatVector a0 = FloatVector.fromMemorySegment(FLOATS, memory, row0 + 4L * e, ORDER);
            FloatVector a1 = FloatVector.fromMemorySegment(FLOATS, memory, row1 + 4L * e, ORDER);
            FloatVector q0 = FloatVector.fromArray(FLOATS, queries, query);
            s00 = a0.fma(q0, s00);
            s01 = a1.fma(q0, s01);
            FloatVector q1 = FloatVector.fromArray(FLOATS, queries, query + LANES);
            s10 = a0.fma(q1, s10);
            s11 = a1.fma(q1, s11);
            FloatVector q2 = FloatVector.fromArray(FLOATS, queries, query + 2 * LANES);
            s20 = a0.fma(q2, s20);
            s21 = a1.fma(q2, s21);
            FloatVector q3 = FloatVector.fromArray(FLOATS, queries, query + 3 * LANES);
            s30 = a0.fma(q3, s30);
            s31 = a1.fma(q3, s31);
            FloatVector b0 = FloatVector.fromMemorySegment(FLOATS, memory, row0 + 4L * (e + LANES), ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(FLOATS, memory, row1 + 4L * (e + LANES), ORDER);
            FloatVector q4 = FloatVector.fromArray(FLOATS, queries, query + 4 * LANES);
            s00 = b0.fma(q4, s00);
            s01 = b1.fma(q4, s01);
            FloatVector q5 = FloatVector.fromArray(FLOATS, queries, query + 5 * LANES);
            s10 = b0.fma(q5, s10);
            s11 = b1.fma(q5, s11);
            FloatVector q6 = FloatVector.fromArray(FLOATS, queries, query + 6 * LANES);
            s20 = b0.fma(q6, s20);
            s21 = b1.fma(q6, s21);
            FloatVector q7 = FloatVector.fromArray(FLOATS, queries, query + 7 * LANES);
            s30 = b0.fma(q7, s30);
            s31 = b1.fma(q7, s31);
        }
        s00.intoArray(sums, to);
        s01.intoArray(sums, to + LANES);
        s10.intoArray(sums, to + ROWS * LANES);
        s11.intoArray(sums, to + (ROWS + 1) * LANES);
        s20.intoArray(sums, to + 2 * ROWS * LANES);
        s21.intoArray(sums, to + (2 * ROWS + 1) * LANES);
        s30.intoArray(sums, to + 3 * ROWS * LANES);
        s31.intoArray(sums, to + (3 * ROWS + 1) * LANES);
    }

    /** As {@link #floats}; odd elements by two shifts, which need no register for a mask. */
    private void pairs(MemorySegment memory, long row0, long row1, int at, float[] sums, int to) {
        FloatVector s00 = FloatVector.zero(FLOATS);
        FloatVector s01 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        for (int e = 0; e < stride; e += step) {
            int query = at + HEADS * e;
            IntVector p0 = IntVector.fromMemorySegment(INTS, memory, row0 + 2L * e, ORDER);
            IntVector p1 = IntVector.fromMemorySegment(INTS, memory, row1 + 2L * e, ORDER);
            FloatVector even0 = p0.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector even1 = p1.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector odd0 = p0.lanewise(VectorOperators.LSHR, HALF_BITS)
                    .lanewise(VectorOperators.LSHL, HALF_BITS)
                    .reinterpretAsFloats();
            FloatVector odd1 = p1.lanewise(VectorOperators.LSHR, HALF_BITS)
                    .lanewise(VectorOperators.LSHL, HALF_BITS)
                    .reinterpretAsFloats();
            FloatVector e0 = FloatVector.fromArray(FLOATS, queries, query);
            FloatVector o0 = FloatVector.fromArray(FLOATS, queries, query + LANES);
            s00 = odd0.fma(o0, even0.fma(e0, s00));
            s01 = odd1.fma(o0, even1.fma(e0, s01));
            FloatVector e1 = FloatVector.fromArray(FLOATS, queries, query + 2 * LANES);
            FloatVector o1 = FloatVector.fromArray(FLOATS, queries, query + 3 * LANES);
            s10 = odd0.fma(o1, even0.fma(e1, s10));
            s11 = odd1.fma(o1, even1.fma(e1, s11));
            FloatVector e2 = FloatVector.fromArray(FLOATS, queries, query + 4 * LANES);
            FloatVector o2 = FloatVector.fromArray(FLOATS, queries, query + 5 * LANES);
            s20 = odd0.fma(o2, even0.fma(e2, s20));
            s21 = odd1.fma(o2, even1.fma(e2, s21));
            FloatVector e3 = FloatVector.fromArray(FLOATS, queries, query + 6 * LANES);
            FloatVector o3 = FloatVector.fromArray(FLOATS, queries, query + 7 * LANES);
            s30 = odd0.fma(o3, even0.fma(e3, s30));
            s31 = odd1.fma(o3, even1.fma(e3, s31));
        }
        s00.intoArray(sums, to);
        s01.intoArray(sums, to + LANES);
        s10.intoArray(sums, to + ROWS * LANES);
        s11.intoArray(sums, to + (ROWS + 1) * LANES);
        s20.intoArray(sums, to + 2 * ROWS * LANES);
        s21.intoArray(sums, to + (2 * ROWS + 1) * LANES);
        s30.intoArray(sums, to + 3 * ROWS * LANES);
        s31.intoArray(sums, to + (3 * ROWS + 1) * LANES);
    }

    /** Writes the scores of one query with the first {@code count} rows to {@code to}, from element {@code at} on. */
    static void fold(float[] sums, int query, int count, MemorySegment to, long at) {
        int from = query * ROWS * LANES;
        int rows = (count + LANES - 1) / LANES * LANES;
        if (LANES == 8) {
            foldEights(sums, from, rows);
        } else {
            foldFours(sums, from, rows);
            if (LANES == 16) {
                foldSixteens(sums, from, rows);
            }
        }
        int whole = count - count % LANES;
        for (int i = 0; i < whole; i += LANES) {
            FloatVector.fromArray(FLOATS, sums, from + i).intoMemorySegment(to, 4 * (at + i), ORDER);
        }
        for (int i = whole; i < count; i++) {
            to.setAtIndex(ValueLayout.JAVA_FLOAT, at + i, sums[from + i]);
        }
    }

    /** Four accumulators become one vector; the results lie one behind the other from {@code from} on. */
    private static void foldFours(float[] sums, int from, int rows) {
        for (int i = 0; i < rows; i += 4) {
            int k = from + i * LANES;
            FloatVector a = FloatVector.fromArray(FLOATS, sums, k);
            FloatVector b = FloatVector.fromArray(FLOATS, sums, k + LANES);
            FloatVector c = FloatVector.fromArray(FLOATS, sums, k + 2 * LANES);
            FloatVector d = FloatVector.fromArray(FLOATS, sums, k + 3 * LANES);
            FloatVector ab = a.blend(b, SECOND_1).add(b.blend(a, SECOND_1).rearrange(SWAP_1));
            FloatVector cd = c.blend(d, SECOND_1).add(d.blend(c, SECOND_1).rearrange(SWAP_1));
            ab.blend(cd, SECOND_2).add(cd.blend(ab, SECOND_2).rearrange(SWAP_2)).intoArray(sums, from + i / 4 * LANES);
        }
    }

    /** Eight accumulators of eight lanes become one vector. */
    private static void foldEights(float[] sums, int from, int rows) {
        for (int i = 0; i < rows; i += 8) {
            int k = from + i * LANES;
            FloatVector a = FloatVector.fromArray(FLOATS, sums, k);
            FloatVector b = FloatVector.fromArray(FLOATS, sums, k + LANES);
            FloatVector c = FloatVector.fromArray(FLOATS, sums, k + 2 * LANES);
            FloatVector d = FloatVector.fromArray(FLOATS, sums, k + 3 * LANES);
            FloatVector ab = a.blend(b, SECOND_1).add(b.blend(a, SECOND_1).rearrange(SWAP_1));
            FloatVector cd = c.blend(d, SECOND_1).add(d.blend(c, SECOND_1).rearrange(SWAP_1));
            FloatVector abcd = ab.blend(cd, SECOND_2).add(cd.blend(ab, SECOND_2).rearrange(SWAP_2));
            FloatVector e = FloatVector.fromArray(FLOATS, sums, k + 4 * LANES);
            FloatVector f = FloatVector.fromArray(FLOATS, sums, k + 5 * LANES);
            FloatVector g = FloatVector.fromArray(FLOATS, sums, k + 6 * LANES);
            FloatVector h = FloatVector.fromArray(FLOATS, sums, k + 7 * LANES);
            FloatVector ef = e.blend(f, SECOND_1).add(f.blend(e, SECOND_1).rearrange(SWAP_1));
            FloatVector gh = g.blend(h, SECOND_1).add(h.blend(g, SECOND_1).rearrange(SWAP_1));
            FloatVector efgh = ef.blend(gh, SECOND_2).add(gh.blend(ef, SECOND_2).rearrange(SWAP_2));
            abcd.blend(efgh, SECOND_4)
                    .add(efgh.blend(abcd, SECOND_4).rearrange(SWAP_4))
                    .intoArray(sums, from + i);
        }
    }

    /** The last two levels for sixteen lanes: four vectors of {@link #foldFours} become one. */
    private static void foldSixteens(float[] sums, int from, int rows) {
        for (int i = 0; i < rows; i += 16) {
            int k = from + 4 * i;
            FloatVector a = FloatVector.fromArray(FLOATS, sums, k);
            FloatVector b = FloatVector.fromArray(FLOATS, sums, k + LANES);
            FloatVector c = FloatVector.fromArray(FLOATS, sums, k + 2 * LANES);
            FloatVector d = FloatVector.fromArray(FLOATS, sums, k + 3 * LANES);
            FloatVector ab = a.blend(b, SECOND_4).add(b.blend(a, SECOND_4).rearrange(SWAP_4));
            FloatVector cd = c.blend(d, SECOND_4).add(d.blend(c, SECOND_4).rearrange(SWAP_4));
            ab.blend(cd, SECOND_8).add(cd.blend(ab, SECOND_8).rearrange(SWAP_8)).intoArray(sums, from + i);
        }
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
