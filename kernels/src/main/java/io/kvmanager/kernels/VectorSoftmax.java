package io.kvmanager.kernels;

import static io.kvmanager.kernels.KeyPanel.SLOTS;
import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.LANES;
import static io.kvmanager.kernels.Lanes.ORDER;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Exact softmax over rows of scores, cut into ranges, panel by panel of 64 slots: a panel's scores are in the nearest
 * cache, and the next panel's keys arrive meanwhile.
 *
 * <ol>
 *   <li>per range r: a reference {@code m(r)}, the first panel's largest score; scores become {@code exp(score -
 *       m(r))}, zeros behind them to the end of the last block; every block's sum in F32, their total {@code z(r)} in
 *       double
 *   <li>a panel whose largest score is more than 32 above {@code m(r)} gives a new reference, and what the range has so
 *       far shrinks: seldom, and nothing overflows
 *   <li>per row: {@code m} = largest {@code m(r)}, {@code z} = sum of {@code exp(m(r) - m) z(r)}; weights and masses
 *       of a range times {@code exp(m(r) - m) / z}; {@code logSumExp = m + log z}
 * </ol>
 *
 * The exponential splits {@code x = n ln 2 + r} with {@code |r| <= ln 2 / 2} (ln 2 in two parts, after Cody and Waite),
 * takes the Taylor polynomial of degree 7 of {@code r} (truncation below 1e-8) and puts n into the exponent bits.
 */
final class VectorSoftmax {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final float SMALLEST = -87.3f;
    private static final float LARGEST = 88.3f;
    private static final float LOG2_E = 0x1.715476p0f;
    private static final float LN2_HIGH = 0x1.62e4p-1f;
    private static final float LN2_LOW = 0x1.7f7d1cp-20f;
    /** Adding it rounds to an integer, which then stands in the low bits. */
    private static final float ROUNDER = 0x1.8p23f;

    private static final int EXPONENT_SHIFT = 23;
    private static final int ONE_BITS = 0x3f800000;

    /** How far a range's largest score may be above its reference. */
    private static final float SLACK = 32;

    private final int blockTokens;
    private final int pieceSlots;
    /** Of {@code [range][query head]}, with a cache line between ranges, which two threads write at a time. */
    private final int rangeStride;

    private final float[] reference;
    private final int[] rangeFirst;
    private final double[] rangeTotal;

    VectorSoftmax(CacheGeometry geometry) {
        blockTokens = geometry.blockTokens();
        pieceSlots = Math.min(SLOTS, blockTokens);
        rangeStride = geometry.queryHeads() + Prefetch.LINE_BYTES / Float.BYTES;
        reference = new float[BlockRanges.MAX_RANGES * rangeStride];
        rangeFirst = new int[reference.length];
        rangeTotal = new double[reference.length];
    }

    /** The exponential, relative error about 1e-7; 0 below the smallest normal number. Not for x above 88. */
    static FloatVector exp(FloatVector x) {
        VectorMask<Float> tiny = x.compare(VectorOperators.LT, SMALLEST);
        FloatVector clamped = x.blend(SMALLEST, tiny);
        FloatVector shifted =
                clamped.fma(FloatVector.broadcast(FLOATS, LOG2_E), FloatVector.broadcast(FLOATS, ROUNDER));
        FloatVector n = shifted.sub(ROUNDER);
        FloatVector r = n.fma(FloatVector.broadcast(FLOATS, -LN2_HIGH), clamped);
        r = n.fma(FloatVector.broadcast(FLOATS, -LN2_LOW), r);
        FloatVector p = r.fma(FloatVector.broadcast(FLOATS, 1f / 5040), FloatVector.broadcast(FLOATS, 1f / 720));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 1f / 120));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 1f / 24));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 1f / 6));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 0.5f));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 1f));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 1f));
        FloatVector power = shifted.reinterpretAsInts()
                .lanewise(VectorOperators.LSHL, EXPONENT_SHIFT)
                .add(ONE_BITS)
                .reinterpretAsFloats();
        return p.mul(power).blend(0f, tiny);
    }

    /** As {@link #exp}, and finite for any x. */
    static FloatVector cappedExp(FloatVector x) {
        return exp(x.min(LARGEST));
    }

    /**
     * Turns a panel's scores of one query head into unscaled weights and masses.
     *
     * @param first slot of the first score, whose panels are given in ascending order
     * @param isFirst whether the panel begins the range
     * @param scores {@code [64]} from {@code at} on, overwritten
     * @param count slots up to the range's end, 64 at most; those from {@code tokens} on have no token
     */
    void panel(
            AttentionWorkspace space,
            int head,
            int range,
            int first,
            boolean isFirst,
            float[] scores,
            int at,
            int count,
            int tokens) {
        int valid = Math.max(0, Math.min(count, tokens - first));
        if (valid < SLOTS) {
            Arrays.fill(scores, at + valid, at + SLOTS, Float.NEGATIVE_INFINITY);
        }
        int index = range * rangeStride + head;
        float max = max(scores, at);
        if (isFirst) {
            reference[index] = max;
            rangeFirst[index] = first;
            rangeTotal[index] = 0;
        } else if (max > reference[index] + SLACK) {
            raise(space, head, index, first, max);
        }
        exponentials(scores, at, reference[index]);
        rangeTotal[index] += masses(space, head, first, scores, at, count);
        MemorySegment.copy(scores, at, space.weights(), FLOAT, 4 * ((long) head * space.maxTokens() + first), count);
    }

    /** Shrinks the range's weights and masses before slot {@code end} to what they are under a larger reference. */
    private void raise(AttentionWorkspace space, int head, int index, int end, float max) {
        float factor = (float) Math.exp((double) reference[index] - max);
        int from = rangeFirst[index];
        scale(space.weights(), 4 * ((long) head * space.maxTokens() + from), end - from, factor);
        int block = from / blockTokens;
        int blocks = (end - 1) / blockTokens + 1 - block;
        scale(space.mass(), 4 * ((long) head * space.maxBlocks() + block), blocks, factor);
        rangeTotal[index] *= factor;
        reference[index] = max;
    }

    /** Scales what {@link #panel} left of one query head's ranges. */
    void join(AttentionWorkspace space, int head, BlockRanges ranges) {
        float largest = Float.NEGATIVE_INFINITY;
        for (int range = 0; range < ranges.ranges(); range++) {
            largest = Math.max(largest, reference[range * rangeStride + head]);
        }
        double total = 0;
        for (int range = 0; range < ranges.ranges(); range++) {
            total += rangeTotal[range * rangeStride + head]
                    * Math.exp((double) reference[range * rangeStride + head] - largest);
        }
        for (int range = 0; range < ranges.ranges(); range++) {
            float factor = (float) (Math.exp((double) reference[range * rangeStride + head] - largest) / total);
            long block = ranges.from(range);
            int blocks = ranges.to(range) - ranges.from(range);
            long row = (long) head * space.maxTokens() + block * blockTokens;
            scale(space.weights(), 4 * row, blocks * blockTokens, factor);
            scale(space.mass(), 4 * ((long) head * space.maxBlocks() + block), blocks, factor);
        }
        space.logSumExp().setAtIndex(FLOAT, head, (float) (largest + Math.log(total)));
    }

    /** By compare and blend: a Java maximum also orders zeros and NaN, which takes several instructions. */
    private static float max(float[] scores, int at) {
        FloatVector max = FloatVector.fromArray(FLOATS, scores, at);
        for (int i = at + LANES; i < at + SLOTS; i += LANES) {
            FloatVector score = FloatVector.fromArray(FLOATS, scores, i);
            max = max.blend(score, score.compare(VectorOperators.GT, max));
        }
        return max.reduceLanes(VectorOperators.MAX);
    }

    private static void exponentials(float[] scores, int at, float reference) {
        for (int i = at; i < at + SLOTS; i += LANES) {
            exp(FloatVector.fromArray(FLOATS, scores, i).sub(reference)).intoArray(scores, i);
        }
    }

    /** Masses of the panel's blocks, or of its part of one; returns their sum. */
    private double masses(AttentionWorkspace space, int head, int first, float[] weights, int at, int count) {
        long massRow = (long) head * space.maxBlocks();
        double total = 0;
        for (int slot = 0; slot < count; slot += pieceSlots) {
            float sum = sum(weights, at + slot);
            long block = massRow + (first + slot) / blockTokens;
            boolean opens = (first + slot) % blockTokens == 0;
            space.mass()
                    .setAtIndex(FLOAT, block, opens ? sum : sum + space.mass().getAtIndex(FLOAT, block));
            total += sum;
        }
        return total;
    }

    private float sum(float[] weights, int at) {
        if (pieceSlots % LANES != 0) {
            float sum = 0;
            for (int i = at; i < at + pieceSlots; i++) {
                sum += weights[i];
            }
            return sum;
        }
        FloatVector sum = FloatVector.fromArray(FLOATS, weights, at);
        for (int i = at + LANES; i < at + pieceSlots; i += LANES) {
            sum = sum.add(FloatVector.fromArray(FLOATS, weights, i));
        }
        return Lanes.sum(sum);
    }

    private static void scale(MemorySegment elements, long row, int count, float factor) {
        int i = 0;
        for (; i + LANES <= count; i += LANES) {
            FloatVector.fromMemorySegment(FLOATS, elements, row + 4L * i, ORDER)
                    .mul(factor)
                    .intoMemorySegment(elements, row + 4L * i, ORDER);
        }
        for (; i < count; i++) {
            elements.set(FLOAT, row + 4L * i, elements.get(FLOAT, row + 4L * i) * factor);
        }
    }
}
