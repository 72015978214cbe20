package io.kvmanager.inference.evaluation;

import java.util.List;
import java.util.Optional;

/**
 * How far attention outputs behind a prompt are from attention in double precision. An error is the distance of one
 * query head's output over the norm of the exact one, with the query, K and V of the run itself, rounded as the cache
 * stores them. Where KV heads keep tokens of their own, a token counts as held if one of them holds it.
 *
 * @param outputs query heads × layers × steps that were checked
 * @param errorMean mean error against attention over every token that the layer was given
 * @param errorMax largest of these
 * @param fetchErrorMean mean error against attention over the tokens that the cache still holds: what comes from values
 *     that were not read, and what a certificate bounds
 * @param fetchErrorMax largest of these
 * @param droppedMassPerLayer softmax weight on tokens that are no longer held, mean over heads and steps, 0..1
 * @param missedMassPerLayer softmax weight on values that are held and were not read, as the cache reports it, 0..1
 * @param bytesFetchedPerStep bytes from host memory, mean over the windows, by steps behind the prompt
 * @param bounds what the cache promised, where it promises something
 */
public record AttentionLoss(
        long outputs,
        double errorMean,
        double errorMax,
        double fetchErrorMean,
        double fetchErrorMax,
        List<Double> droppedMassPerLayer,
        List<Double> missedMassPerLayer,
        List<Double> bytesFetchedPerStep,
        Optional<Bounds> bounds) {

    /** An error up to this, times {@link ExactAttention#cancellation}, is F32 arithmetic, which bounds leave out. */
    static final double F32_ROUNDING = 1e-5;

    /**
     * The cache's error bounds beside the true errors against the tokens that it holds, over the norm of the exact
     * output. Slack is bound over error, where the error is more than {@link #F32_ROUNDING}.
     *
     * @param outputs that had a bound
     * @param max largest bound
     * @param violations errors above their bound by more than {@link #F32_ROUNDING}
     * @param slackMedian median slack; NaN where nothing erred
     * @param slackP99 slack that 99 in 100 do not exceed
     * @param meanPerLayer mean bound of each layer
     */
    public record Bounds(
            long outputs, double max, long violations, double slackMedian, double slackP99, List<Double> meanPerLayer) {
        public Bounds {
            meanPerLayer = List.copyOf(meanPerLayer);
        }
    }

    public AttentionLoss {
        droppedMassPerLayer = List.copyOf(droppedMassPerLayer);
        missedMassPerLayer = List.copyOf(missedMassPerLayer);
        bytesFetchedPerStep = List.copyOf(bytesFetchedPerStep);
    }

    /** Mean over the layers of {@link #droppedMassPerLayer}, 0..1. */
    public double droppedMassMean() {
        return droppedMassPerLayer.stream()
                .mapToDouble(Double::doubleValue)
                .average()
                .orElse(0);
    }
}
