package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.INTS;
import static io.kvmanager.kernels.Lanes.LANES;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

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
 * <p>Queries are prepared once per attention, by {@link #prepare}: scaled, padded with zeros, and for 16-bit types split
 * into even and odd elements per vector, as {@link Lanes} reads rows.
 */
final class QuadDots {
    private static final IntVector LOW_0 = lanes(1, 0);
    private static final IntVector HIGH_0 = lanes(1, 1);
    private static final IntVector LOW_1 = lanes(2, 0);
    private static final IntVector HIGH_1 = lanes(2, 2);
    private static final IntVector LOW_2 = lanes(4, 0);
    private static final IntVector HIGH_2 = lanes(4, 4);
    private static final IntVector LOW_3 = lanes(8, 0);
    private static final IntVector HIGH_3 = lanes(8, 8);

    private final MemorySegment slab;
    private final int headSize;
    private final int pairsPerRow;
    private final ElementType type;
    private final boolean f32;
    private final boolean bf16;
    private final int stride;
    private final float scale;
    private final float[] queries;
    private final int queryHeads;
    private final int groupSize;
    private final int paddedGroup;

    QuadDots(CacheGeometry geometry, MemorySegment slab) {
        this.slab = slab;
        this.headSize = geometry.headSize();
        this.pairsPerRow = headSize / 2;
        this.f32 = geometry.elementType() == ElementType.F32;
        this.bf16 = geometry.elementType() == ElementType.BF16;
        this.type = geometry.elementType();
        this.stride = Lanes.splitStride(geometry);
        this.scale = (float) (1 / Math.sqrt(headSize));
        this.queryHeads = geometry.queryHeads();
        this.groupSize = geometry.groupSize();
        this.paddedGroup = (groupSize + 3) & -4;
        this.queries = new float[geometry.kvHeads() * paddedGroup * stride];
    }

    /** Takes over the queries of all heads, {@code q [queryHeads][headSize]}. */
    void prepare(MemorySegment q) {
        for (int head = 0; head < queryHeads; head++) {
            int at = (head / groupSize * paddedGroup + head % groupSize) * stride;
            long from = (long) head * headSize;
            for (int e = 0; e < headSize; e++) {
                float element = q.getAtIndex(ValueLayout.JAVA_FLOAT, from + e) * scale;
                queries[at + Lanes.splitIndex(type, e)] = element;
            }
        }
    }

    /** Scores of four rows with queries {@code first..first+3} of a group, {@code sums[4 * query + row]}. */
    void dots(int kvHead, int first, long row0, long row1, long row2, long row3, float[] sums) {
        int at = (kvHead * paddedGroup + first) * stride;
        if (f32) {
            floats(row0, row1, row2, row3, at, sums);
        } else {
            pairs(row0, row1, row2, row3, at, sums);
        }
    }

    /** F32 rows: {@code sums[4 * query + row]}. */
    void floats(long row0, long row1, long row2, long row3, int at, float[] sums) {
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
        for (int e = 0; e < headSize; e += LANES) {
            int left = headSize - e;
            long byteOffset = 4L * e;
            FloatVector q0 = FloatVector.fromArray(FLOATS, queries, at + e);
            FloatVector q1 = FloatVector.fromArray(FLOATS, queries, at + stride + e);
            FloatVector q2 = FloatVector.fromArray(FLOATS, queries, at + 2 * stride + e);
            FloatVector q3 = FloatVector.fromArray(FLOATS, queries, at + 3 * stride + e);
            FloatVector k0 = Lanes.floats(slab, row0 + byteOffset, left);
            s00 = k0.fma(q0, s00);
            s10 = k0.fma(q1, s10);
            s20 = k0.fma(q2, s20);
            s30 = k0.fma(q3, s30);
            FloatVector k1 = Lanes.floats(slab, row1 + byteOffset, left);
            s01 = k1.fma(q0, s01);
            s11 = k1.fma(q1, s11);
            s21 = k1.fma(q2, s21);
            s31 = k1.fma(q3, s31);
            FloatVector k2 = Lanes.floats(slab, row2 + byteOffset, left);
            s02 = k2.fma(q0, s02);
            s12 = k2.fma(q1, s12);
            s22 = k2.fma(q2, s22);
            s32 = k2.fma(q3, s32);
            FloatVector k3 = Lanes.floats(slab, row3 + byteOffset, left);
            s03 = k3.fma(q0, s03);
            s13 = k3.fma(q1, s13);
            s23 = k3.fma(q2, s23);
            s33 = k3.fma(q3, s33);
        }
        FloatVector f0 = fold(fold(s00, s01, LOW_0, HIGH_0), fold(s02, s03, LOW_0, HIGH_0), LOW_1, HIGH_1);
        FloatVector f1 = fold(fold(s10, s11, LOW_0, HIGH_0), fold(s12, s13, LOW_0, HIGH_0), LOW_1, HIGH_1);
        FloatVector f2 = fold(fold(s20, s21, LOW_0, HIGH_0), fold(s22, s23, LOW_0, HIGH_0), LOW_1, HIGH_1);
        FloatVector f3 = fold(fold(s30, s31, LOW_0, HIGH_0), fold(s32, s33, LOW_0, HIGH_0), LOW_1, HIGH_1);
        store(f0, f1, f2, f3, sums);
    }

    /** Rows of a 16-bit type: {@code sums[4 * query + row]}. */
    void pairs(long row0, long row1, long row2, long row3, int at, float[] sums) {
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
        for (int pair = 0; pair < pairsPerRow; pair += LANES) {
            int left = pairsPerRow - pair;
            long byteOffset = 4L * pair;
            int even = at + 2 * pair;
            int odd = even + LANES;
            FloatVector e0 = FloatVector.fromArray(FLOATS, queries, even);
            FloatVector o0 = FloatVector.fromArray(FLOATS, queries, odd);
            FloatVector e1 = FloatVector.fromArray(FLOATS, queries, even + stride);
            FloatVector o1 = FloatVector.fromArray(FLOATS, queries, odd + stride);
            FloatVector e2 = FloatVector.fromArray(FLOATS, queries, even + 2 * stride);
            FloatVector o2 = FloatVector.fromArray(FLOATS, queries, odd + 2 * stride);
            FloatVector e3 = FloatVector.fromArray(FLOATS, queries, even + 3 * stride);
            FloatVector o3 = FloatVector.fromArray(FLOATS, queries, odd + 3 * stride);
            IntVector k0 = Lanes.pairs(slab, row0 + byteOffset, left);
            FloatVector even0 = Lanes.even(k0, bf16);
            FloatVector odd0 = Lanes.odd(k0, bf16);
            s00 = odd0.fma(o0, even0.fma(e0, s00));
            s10 = odd0.fma(o1, even0.fma(e1, s10));
            s20 = odd0.fma(o2, even0.fma(e2, s20));
            s30 = odd0.fma(o3, even0.fma(e3, s30));
            IntVector k1 = Lanes.pairs(slab, row1 + byteOffset, left);
            FloatVector even1 = Lanes.even(k1, bf16);
            FloatVector odd1 = Lanes.odd(k1, bf16);
            s01 = odd1.fma(o0, even1.fma(e0, s01));
            s11 = odd1.fma(o1, even1.fma(e1, s11));
            s21 = odd1.fma(o2, even1.fma(e2, s21));
            s31 = odd1.fma(o3, even1.fma(e3, s31));
            IntVector k2 = Lanes.pairs(slab, row2 + byteOffset, left);
            FloatVector even2 = Lanes.even(k2, bf16);
            FloatVector odd2 = Lanes.odd(k2, bf16);
            s02 = odd2.fma(o0, even2.fma(e0, s02));
            s12 = odd2.fma(o1, even2.fma(e1, s12));
            s22 = odd2.fma(o2, even2.fma(e2, s22));
            s32 = odd2.fma(o3, even2.fma(e3, s32));
            IntVector k3 = Lanes.pairs(slab, row3 + byteOffset, left);
            FloatVector even3 = Lanes.even(k3, bf16);
            FloatVector odd3 = Lanes.odd(k3, bf16);
            s03 = odd3.fma(o0, even3.fma(e0, s03));
            s13 = odd3.fma(o1, even3.fma(e1, s13));
            s23 = odd3.fma(o2, even3.fma(e2, s23));
            s33 = odd3.fma(o3, even3.fma(e3, s33));
        }
        FloatVector f0 = fold(fold(s00, s01, LOW_0, HIGH_0), fold(s02, s03, LOW_0, HIGH_0), LOW_1, HIGH_1);
        FloatVector f1 = fold(fold(s10, s11, LOW_0, HIGH_0), fold(s12, s13, LOW_0, HIGH_0), LOW_1, HIGH_1);
        FloatVector f2 = fold(fold(s20, s21, LOW_0, HIGH_0), fold(s22, s23, LOW_0, HIGH_0), LOW_1, HIGH_1);
        FloatVector f3 = fold(fold(s30, s31, LOW_0, HIGH_0), fold(s32, s33, LOW_0, HIGH_0), LOW_1, HIGH_1);
        store(f0, f1, f2, f3, sums);
    }

    private static void store(
            FloatVector f0, FloatVector f1, FloatVector f2, FloatVector f3, float[] sums) {
        if (LANES == 4) {
            f0.intoArray(sums, 0);
            f1.intoArray(sums, 4);
            f2.intoArray(sums, 8);
            f3.intoArray(sums, 12);
            return;
        }
        FloatVector first = fold(f0, f1, LOW_2, HIGH_2);
        FloatVector second = fold(f2, f3, LOW_2, HIGH_2);
        if (LANES == 8) {
            first.intoArray(sums, 0);
            second.intoArray(sums, 8);
        } else {
            fold(first, second, LOW_3, HIGH_3).intoArray(sums, 0);
        }
    }

    private static FloatVector fold(FloatVector a, FloatVector b, IntVector low, IntVector high) {
        IntVector x = a.reinterpretAsInts();
        IntVector y = b.reinterpretAsInts();
        return low.selectFrom(x, y)
                .reinterpretAsFloats()
                .add(high.selectFrom(x, y).reinterpretAsFloats());
    }

    /** For each lane, which of the lanes of two vectors: runs of {@code run} from the first and the second in turn. */
    private static IntVector lanes(int run, int offset) {
        int[] from = new int[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            boolean second = lane / run % 2 == 1;
            from[lane] = (second ? LANES + lane - run : lane) + offset;
            from[lane] %= 2 * LANES;
        }
        return IntVector.fromArray(INTS, from, 0);
    }
}
