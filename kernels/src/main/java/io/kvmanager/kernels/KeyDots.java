package io.kvmanager.kernels;

import static io.kvmanager.kernels.KeyPanel.QUAD;
import static io.kvmanager.kernels.KeyPanel.RUN_SLOTS;
import static io.kvmanager.kernels.KeyPanel.SLOTS;
import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.INTS;
import static io.kvmanager.kernels.Lanes.LANES;
import static io.kvmanager.kernels.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Dot products of the keys of a {@link KeyPanel} with four queries. Lanes are slots: one element of as many keys meets
 * one element of a query, and a sum is a score.
 *
 * <p>Vectors of 16 lanes take a run each, and all four at once: 16 accumulators, and four streams of memory that the
 * processor's prefetching follows. Shorter ones take two vectors of a run: 8 accumulators, which 16 registers hold.
 */
final class KeyDots {
    private static final int HALF_BITS = 16;
    private static final int HIGH_HALF = 0xffff0000;

    private final MemorySegment memory;
    private final long[] runs;
    private final int stepBytes;
    private final int headSize;
    private final boolean inPairs;

    /**
     * @param runs byte offsets in {@code memory}, read at every call
     * @param stepBytes from one element of a run, or pair of them, to the next
     * @param inPairs whether 32 bits hold two BF16 elements of a slot, not one of F32
     */
    KeyDots(MemorySegment memory, long[] runs, int stepBytes, int headSize, boolean inPairs) {
        this.memory = memory;
        this.runs = runs;
        this.stepBytes = stepBytes;
        this.headSize = headSize;
        this.inPairs = inPairs;
    }

    /** Scores {@code [4][64]} of the quad at {@code queries[at]}, {@code [headSize][4]}. */
    void scores(float[] queries, int at, float[] scores) {
        if (LANES == RUN_SLOTS) {
            if (inPairs) {
                fourPairs(queries, at, scores);
            } else {
                fourFloats(queries, at, scores);
            }
            return;
        }
        for (int slot = 0; slot < SLOTS; slot += 2 * LANES) {
            if (inPairs) {
                twoPairs(queries, at, scores, slot);
            } else {
                twoFloats(queries, at, scores, slot);
            }
        }
    }

    /** A vector of each run. */
    private void fourFloats(float[] queries, int at, float[] scores) {
        long key0 = runs[0];
        long key1 = runs[1];
        long key2 = runs[2];
        long key3 = runs[3];
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
        for (int e = 0, step = 0; e < headSize; e++, step += stepBytes) {
            int query = at + e * QUAD;
            FloatVector k0 = FloatVector.fromMemorySegment(FLOATS, memory, key0 + step, ORDER);
            FloatVector k1 = FloatVector.fromMemorySegment(FLOATS, memory, key1 + step, ORDER);
            FloatVector k2 = FloatVector.fromMemorySegment(FLOATS, memory, key2 + step, ORDER);
            FloatVector k3 = FloatVector.fromMemorySegment(FLOATS, memory, key3 + step, ORDER);
            FloatVector q0 = FloatVector.broadcast(FLOATS, queries[query]);
            s00 = k0.fma(q0, s00);
            s01 = k1.fma(q0, s01);
            s02 = k2.fma(q0, s02);
            s03 = k3.fma(q0, s03);
            FloatVector q1 = FloatVector.broadcast(FLOATS, queries[query + 1]);
            s10 = k0.fma(q1, s10);
            s11 = k1.fma(q1, s11);
            s12 = k2.fma(q1, s12);
            s13 = k3.fma(q1, s13);
            FloatVector q2 = FloatVector.broadcast(FLOATS, queries[query + 2]);
            s20 = k0.fma(q2, s20);
            s21 = k1.fma(q2, s21);
            s22 = k2.fma(q2, s22);
            s23 = k3.fma(q2, s23);
            FloatVector q3 = FloatVector.broadcast(FLOATS, queries[query + 3]);
            s30 = k0.fma(q3, s30);
            s31 = k1.fma(q3, s31);
            s32 = k2.fma(q3, s32);
            s33 = k3.fma(q3, s33);
        }
        s00.intoArray(scores, 0);
        s01.intoArray(scores, LANES);
        s02.intoArray(scores, 2 * LANES);
        s03.intoArray(scores, 3 * LANES);
        s10.intoArray(scores, SLOTS);
        s11.intoArray(scores, SLOTS + LANES);
        s12.intoArray(scores, SLOTS + 2 * LANES);
        s13.intoArray(scores, SLOTS + 3 * LANES);
        s20.intoArray(scores, 2 * SLOTS);
        s21.intoArray(scores, 2 * SLOTS + LANES);
        s22.intoArray(scores, 2 * SLOTS + 2 * LANES);
        s23.intoArray(scores, 2 * SLOTS + 3 * LANES);
        s30.intoArray(scores, 3 * SLOTS);
        s31.intoArray(scores, 3 * SLOTS + LANES);
        s32.intoArray(scores, 3 * SLOTS + 2 * LANES);
        s33.intoArray(scores, 3 * SLOTS + 3 * LANES);
    }

    /** A vector of each run; of a pair, the even element first. */
    private void fourPairs(float[] queries, int at, float[] scores) {
        long key0 = runs[0];
        long key1 = runs[1];
        long key2 = runs[2];
        long key3 = runs[3];
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
        for (int e = 0, step = 0; e < headSize; e += 2, step += stepBytes) {
            int query = at + e * QUAD;
            IntVector p0 = IntVector.fromMemorySegment(INTS, memory, key0 + step, ORDER);
            IntVector p1 = IntVector.fromMemorySegment(INTS, memory, key1 + step, ORDER);
            IntVector p2 = IntVector.fromMemorySegment(INTS, memory, key2 + step, ORDER);
            IntVector p3 = IntVector.fromMemorySegment(INTS, memory, key3 + step, ORDER);
            FloatVector even0 = p0.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector even1 = p1.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector even2 = p2.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector even3 = p3.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector odd0 = p0.and(HIGH_HALF).reinterpretAsFloats();
            FloatVector odd1 = p1.and(HIGH_HALF).reinterpretAsFloats();
            FloatVector odd2 = p2.and(HIGH_HALF).reinterpretAsFloats();
            FloatVector odd3 = p3.and(HIGH_HALF).reinterpretAsFloats();
            FloatVector q0 = FloatVector.broadcast(FLOATS, queries[query]);
            FloatVector r0 = FloatVector.broadcast(FLOATS, queries[query + 4]);
            s00 = odd0.fma(r0, even0.fma(q0, s00));
            s01 = odd1.fma(r0, even1.fma(q0, s01));
            s02 = odd2.fma(r0, even2.fma(q0, s02));
            s03 = odd3.fma(r0, even3.fma(q0, s03));
            FloatVector q1 = FloatVector.broadcast(FLOATS, queries[query + 1]);
            FloatVector r1 = FloatVector.broadcast(FLOATS, queries[query + 5]);
            s10 = odd0.fma(r1, even0.fma(q1, s10));
            s11 = odd1.fma(r1, even1.fma(q1, s11));
            s12 = odd2.fma(r1, even2.fma(q1, s12));
            s13 = odd3.fma(r1, even3.fma(q1, s13));
            FloatVector q2 = FloatVector.broadcast(FLOATS, queries[query + 2]);
            FloatVector r2 = FloatVector.broadcast(FLOATS, queries[query + 6]);
            s20 = odd0.fma(r2, even0.fma(q2, s20));
            s21 = odd1.fma(r2, even1.fma(q2, s21));
            s22 = odd2.fma(r2, even2.fma(q2, s22));
            s23 = odd3.fma(r2, even3.fma(q2, s23));
            FloatVector q3 = FloatVector.broadcast(FLOATS, queries[query + 3]);
            FloatVector r3 = FloatVector.broadcast(FLOATS, queries[query + 7]);
            s30 = odd0.fma(r3, even0.fma(q3, s30));
            s31 = odd1.fma(r3, even1.fma(q3, s31));
            s32 = odd2.fma(r3, even2.fma(q3, s32));
            s33 = odd3.fma(r3, even3.fma(q3, s33));
        }
        s00.intoArray(scores, 0);
        s01.intoArray(scores, LANES);
        s02.intoArray(scores, 2 * LANES);
        s03.intoArray(scores, 3 * LANES);
        s10.intoArray(scores, SLOTS);
        s11.intoArray(scores, SLOTS + LANES);
        s12.intoArray(scores, SLOTS + 2 * LANES);
        s13.intoArray(scores, SLOTS + 3 * LANES);
        s20.intoArray(scores, 2 * SLOTS);
        s21.intoArray(scores, 2 * SLOTS + LANES);
        s22.intoArray(scores, 2 * SLOTS + 2 * LANES);
        s23.intoArray(scores, 2 * SLOTS + 3 * LANES);
        s30.intoArray(scores, 3 * SLOTS);
        s31.intoArray(scores, 3 * SLOTS + LANES);
        s32.intoArray(scores, 3 * SLOTS + 2 * LANES);
        s33.intoArray(scores, 3 * SLOTS + 3 * LANES);
    }

    /** Two vectors of one run, the first at {@code slot}. */
    private void twoFloats(float[] queries, int at, float[] scores, int slot) {
        long key0 = runs[slot / RUN_SLOTS] + 4L * (slot % RUN_SLOTS);
        long key1 = key0 + 4L * LANES;
        FloatVector s00 = FloatVector.zero(FLOATS);
        FloatVector s01 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        for (int e = 0, step = 0; e < headSize; e++, step += stepBytes) {
            int query = at + e * QUAD;
            FloatVector k0 = FloatVector.fromMemorySegment(FLOATS, memory, key0 + step, ORDER);
            FloatVector k1 = FloatVector.fromMemorySegment(FLOATS, memory, key1 + step, ORDER);
            FloatVector q0 = FloatVector.broadcast(FLOATS, queries[query]);
            s00 = k0.fma(q0, s00);
            s01 = k1.fma(q0, s01);
            FloatVector q1 = FloatVector.broadcast(FLOATS, queries[query + 1]);
            s10 = k0.fma(q1, s10);
            s11 = k1.fma(q1, s11);
            FloatVector q2 = FloatVector.broadcast(FLOATS, queries[query + 2]);
            s20 = k0.fma(q2, s20);
            s21 = k1.fma(q2, s21);
            FloatVector q3 = FloatVector.broadcast(FLOATS, queries[query + 3]);
            s30 = k0.fma(q3, s30);
            s31 = k1.fma(q3, s31);
        }
        s00.intoArray(scores, slot);
        s01.intoArray(scores, slot + LANES);
        s10.intoArray(scores, slot + SLOTS);
        s11.intoArray(scores, slot + SLOTS + LANES);
        s20.intoArray(scores, slot + 2 * SLOTS);
        s21.intoArray(scores, slot + 2 * SLOTS + LANES);
        s30.intoArray(scores, slot + 3 * SLOTS);
        s31.intoArray(scores, slot + 3 * SLOTS + LANES);
    }

    /** As {@link #twoFloats}; of a pair, the even element first. */
    private void twoPairs(float[] queries, int at, float[] scores, int slot) {
        long key0 = runs[slot / RUN_SLOTS] + 4L * (slot % RUN_SLOTS);
        long key1 = key0 + 4L * LANES;
        FloatVector s00 = FloatVector.zero(FLOATS);
        FloatVector s01 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        for (int e = 0, step = 0; e < headSize; e += 2, step += stepBytes) {
            int query = at + e * QUAD;
            IntVector p0 = IntVector.fromMemorySegment(INTS, memory, key0 + step, ORDER);
            IntVector p1 = IntVector.fromMemorySegment(INTS, memory, key1 + step, ORDER);
            FloatVector even0 = p0.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector even1 = p1.lanewise(VectorOperators.LSHL, HALF_BITS).reinterpretAsFloats();
            FloatVector odd0 = p0.and(HIGH_HALF).reinterpretAsFloats();
            FloatVector odd1 = p1.and(HIGH_HALF).reinterpretAsFloats();
            FloatVector q0 = FloatVector.broadcast(FLOATS, queries[query]);
            FloatVector r0 = FloatVector.broadcast(FLOATS, queries[query + 4]);
            s00 = odd0.fma(r0, even0.fma(q0, s00));
            s01 = odd1.fma(r0, even1.fma(q0, s01));
            FloatVector q1 = FloatVector.broadcast(FLOATS, queries[query + 1]);
            FloatVector r1 = FloatVector.broadcast(FLOATS, queries[query + 5]);
            s10 = odd0.fma(r1, even0.fma(q1, s10));
            s11 = odd1.fma(r1, even1.fma(q1, s11));
            FloatVector q2 = FloatVector.broadcast(FLOATS, queries[query + 2]);
            FloatVector r2 = FloatVector.broadcast(FLOATS, queries[query + 6]);
            s20 = odd0.fma(r2, even0.fma(q2, s20));
            s21 = odd1.fma(r2, even1.fma(q2, s21));
            FloatVector q3 = FloatVector.broadcast(FLOATS, queries[query + 3]);
            FloatVector r3 = FloatVector.broadcast(FLOATS, queries[query + 7]);
            s30 = odd0.fma(r3, even0.fma(q3, s30));
            s31 = odd1.fma(r3, even1.fma(q3, s31));
        }
        s00.intoArray(scores, slot);
        s01.intoArray(scores, slot + LANES);
        s10.intoArray(scores, slot + SLOTS);
        s11.intoArray(scores, slot + SLOTS + LANES);
        s20.intoArray(scores, slot + 2 * SLOTS);
        s21.intoArray(scores, slot + 2 * SLOTS + LANES);
        s30.intoArray(scores, slot + 3 * SLOTS);
        s31.intoArray(scores, slot + 3 * SLOTS + LANES);
    }
}
