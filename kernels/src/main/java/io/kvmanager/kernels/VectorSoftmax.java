package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.LANES;

import io.kvmanager.spi.AttentionWorkspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Exact softmax over one row of scores in a workspace.
 *
 * <ol>
 *   <li>{@code m} = largest score
 *   <li>scores become {@code exp(score - m)}; zeros behind them to the end of the last block
 *   <li>every block's sum in F32, their total {@code z} in double
 *   <li>weights and masses times {@code 1 / z}; {@code logSumExp = m + log z}
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

    private VectorSoftmax() {}

    /** The exponential, relative error about 1e-7; 0 below the smallest normal number. Not for x above 88. */
    static FloatVector exp(FloatVector x) {
        // Compare and blend: a Java maximum also orders zeros and NaN, which takes several instructions.
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

    /** Turns the scores of one query head into weights, block masses and the log-sum-exp. */
    static void row(AttentionWorkspace space, int head, int tokens, int blockTokens) {
        MemorySegment weights = space.weights();
        long row = 4L * head * space.maxTokens();
        int blocks = (tokens + blockTokens - 1) / blockTokens;
        float max = max(weights, row, tokens);
        exponentials(weights, row, tokens, blocks * blockTokens, max);
        for (int slot = tokens; slot < blocks * blockTokens; slot++) {
            weights.set(FLOAT, row + 4L * slot, 0);
        }
        long massRow = 4L * head * space.maxBlocks();
        double total = blockTokens % LANES == 0
                ? wideMasses(weights, row, space.mass(), massRow, blocks, blockTokens)
                : masses(weights, row, space.mass(), massRow, blocks, blockTokens);
        scale(weights, row, blocks * blockTokens, (float) (1 / total));
        scale(space.mass(), massRow, blocks, (float) (1 / total));
        space.logSumExp().setAtIndex(FLOAT, head, (float) (max + Math.log(total)));
    }

    private static float max(MemorySegment scores, long row, int tokens) {
        FloatVector max = FloatVector.broadcast(FLOATS, Float.NEGATIVE_INFINITY);
        int whole = tokens - tokens % LANES;
        for (int i = 0; i < whole; i += LANES) {
            max = max.max(Lanes.floats(scores, row + 4L * i));
        }
        float largest = max.reduceLanes(VectorOperators.MAX);
        for (int i = whole; i < tokens; i++) {
            largest = Math.max(largest, scores.get(FLOAT, row + 4L * i));
        }
        return largest;
    }

    /** Whole vectors as far as the row's blocks go, padding included, which is overwritten afterwards. */
    private static void exponentials(MemorySegment scores, long row, int tokens, int slots, float max) {
        int padded = (tokens + LANES - 1) / LANES * LANES;
        int whole = padded <= slots ? padded : tokens - tokens % LANES;
        for (int i = 0; i < whole; i += LANES) {
            long at = row + 4L * i;
            Lanes.store(exp(Lanes.floats(scores, at).sub(max)), scores, at);
        }
        for (int i = whole; i < tokens; i++) {
            scores.set(FLOAT, row + 4L * i, (float) Math.exp(scores.get(FLOAT, row + 4L * i) - max));
        }
    }

    private static double wideMasses(
            MemorySegment weights, long row, MemorySegment mass, long massRow, int blocks, int blockTokens) {
        double total = 0;
        for (int block = 0; block < blocks; block++) {
            long at = row + 4L * block * blockTokens;
            FloatVector sum = FloatVector.zero(FLOATS);
            for (int slot = 0; slot < blockTokens; slot += LANES) {
                sum = sum.add(Lanes.floats(weights, at + 4L * slot));
            }
            float blockMass = Lanes.sum(sum);
            mass.set(FLOAT, massRow + 4L * block, blockMass);
            total += blockMass;
        }
        return total;
    }

    private static double masses(
            MemorySegment weights, long row, MemorySegment mass, long massRow, int blocks, int blockTokens) {
        double total = 0;
        for (int block = 0; block < blocks; block++) {
            float sum = 0;
            for (int slot = block * blockTokens; slot < (block + 1) * blockTokens; slot++) {
                sum += weights.get(FLOAT, row + 4L * slot);
            }
            mass.set(FLOAT, massRow + 4L * block, sum);
            total += sum;
        }
        return total;
    }

    private static void scale(MemorySegment elements, long row, int count, float factor) {
        int whole = count - count % LANES;
        for (int i = 0; i < whole; i += LANES) {
            Lanes.store(Lanes.floats(elements, row + 4L * i).mul(factor), elements, row + 4L * i);
        }
        for (int i = whole; i < count; i++) {
            elements.set(FLOAT, row + 4L * i, elements.get(FLOAT, row + 4L * i) * factor);
        }
    }
}
