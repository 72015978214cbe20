package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.LANES;
import static io.kvmanager.kernels.Lanes.ORDER;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Exact softmax over rows of scores in a workspace, cut into ranges.
 *
 * <ol>
 *   <li>per range r: {@code m(r)} = largest score; scores become {@code exp(score - m(r))}, zeros behind them to
 *       the end of the last block; every block's sum in F32, their total {@code z(r)} in double
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

    private final int blockTokens;
    private final float[] rangeMax;
    private final double[] rangeTotal;

    VectorSoftmax(CacheGeometry geometry) {
        blockTokens = geometry.blockTokens();
        rangeMax = new float[geometry.queryHeads() * BlockRanges.MAX_RANGES];
        rangeTotal = new double[rangeMax.length];
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

    /** Turns scores of one query head, whole blocks of slots {@code from..to-1}, into unscaled weights and masses. */
    void range(AttentionWorkspace space, int head, int range, int from, int to, int tokens) {
        MemorySegment weights = space.weights();
        long row = 4L * head * space.maxTokens();
        long massRow = 4L * head * space.maxBlocks();
        int end = Math.min(tokens, to);
        float max = max(weights, row, from, end);
        double total;
        if (blockTokens % LANES == 0) {
            fill(weights, row, end, to, Float.NEGATIVE_INFINITY);
            total = wholeBlocks(weights, row, from, to, space.mass(), massRow, max);
        } else {
            exponentials(weights, row, from, end, to, max);
            fill(weights, row, end, to, 0);
            total = masses(weights, row, from, to, space.mass(), massRow);
        }
        rangeMax[head * BlockRanges.MAX_RANGES + range] = max;
        rangeTotal[head * BlockRanges.MAX_RANGES + range] = total;
    }

    /** Scales what {@link #range} left of one query head's ranges. */
    void join(AttentionWorkspace space, int head, BlockRanges ranges) {
        int at = head * BlockRanges.MAX_RANGES;
        float max = Float.NEGATIVE_INFINITY;
        for (int range = 0; range < ranges.ranges(); range++) {
            max = Math.max(max, rangeMax[at + range]);
        }
        double total = 0;
        for (int range = 0; range < ranges.ranges(); range++) {
            total += rangeTotal[at + range] * Math.exp((double) rangeMax[at + range] - max);
        }
        for (int range = 0; range < ranges.ranges(); range++) {
            float factor = (float) (Math.exp((double) rangeMax[at + range] - max) / total);
            long block = ranges.from(range);
            int blocks = ranges.to(range) - ranges.from(range);
            long row = (long) head * space.maxTokens() + block * blockTokens;
            scale(space.weights(), 4 * row, blocks * blockTokens, factor);
            scale(space.mass(), 4 * ((long) head * space.maxBlocks() + block), blocks, factor);
        }
        space.logSumExp().setAtIndex(FLOAT, head, (float) (max + Math.log(total)));
    }

    /** By compare and blend: a Java maximum also orders zeros and NaN, which takes several instructions. */
    private static float max(MemorySegment scores, long row, int from, int end) {
        FloatVector max = FloatVector.broadcast(FLOATS, Float.NEGATIVE_INFINITY);
        int i = from;
        for (; i + LANES <= end; i += LANES) {
            FloatVector score = FloatVector.fromMemorySegment(FLOATS, scores, row + 4L * i, ORDER);
            max = max.blend(score, score.compare(VectorOperators.GT, max));
        }
        float largest = max.reduceLanes(VectorOperators.MAX);
        for (; i < end; i++) {
            largest = Math.max(largest, scores.get(FLOAT, row + 4L * i));
        }
        return largest;
    }

    private static void fill(MemorySegment scores, long row, int from, int to, float value) {
        for (int slot = from; slot < to; slot++) {
            scores.set(FLOAT, row + 4L * slot, value);
        }
    }

    /**
     * Exponentials and masses of blocks that are whole vectors; slots without a token have a score of minus infinity.
     * One loop for all blocks: where {@link #exp} is called too seldom to be inlined, its vectors are objects.
     */
    private double wholeBlocks(
            MemorySegment weights, long row, int from, int end, MemorySegment mass, long massRow, float max) {
        double total = 0;
        for (int first = from; first < end; first += blockTokens) {
            FloatVector sum = FloatVector.zero(FLOATS);
            for (int slot = first; slot < first + blockTokens; slot += LANES) {
                long at = row + 4L * slot;
                FloatVector weight = exp(FloatVector.fromMemorySegment(FLOATS, weights, at, ORDER)
                        .sub(max));
                weight.intoMemorySegment(weights, at, ORDER);
                sum = sum.add(weight);
            }
            float blockMass = Lanes.sum(sum);
            mass.set(FLOAT, massRow + 4L * (first / blockTokens), blockMass);
            total += blockMass;
        }
        return total;
    }

    /** Whole vectors as far as {@code to} goes, padding included, which is overwritten afterwards. */
    private static void exponentials(MemorySegment scores, long row, int from, int end, int to, float max) {
        int i = from;
        for (; i < end && i + LANES <= to; i += LANES) {
            long at = row + 4L * i;
            exp(FloatVector.fromMemorySegment(FLOATS, scores, at, ORDER).sub(max))
                    .intoMemorySegment(scores, at, ORDER);
        }
        for (; i < end; i++) {
            scores.set(FLOAT, row + 4L * i, (float) Math.exp(scores.get(FLOAT, row + 4L * i) - max));
        }
    }

    private double masses(MemorySegment weights, long row, int from, int to, MemorySegment mass, long massRow) {
        double total = 0;
        for (int first = from; first < to; first += blockTokens) {
            float sum = 0;
            for (int slot = first; slot < first + blockTokens; slot++) {
                sum += weights.get(FLOAT, row + 4L * slot);
            }
            mass.set(FLOAT, massRow + 4L * (first / blockTokens), sum);
            total += sum;
        }
        return total;
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
