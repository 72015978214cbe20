package io.kvmanager.inference.evaluation;

import io.kvmanager.FetchReport;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.MemoryUse;
import java.util.List;

/**
 * What one cache cost and lost.
 *
 * @param entry the cache
 * @param config its configuration for a window
 * @param device the device and kernels it ran on
 * @param perplexity over the new tokens of all windows
 * @param perplexityRatio over that of {@code full}
 * @param topOneAgreement share of steps whose largest logit is that of {@code full}, 0..1
 * @param klMean mean Kullback-Leibler divergence from {@code full}'s distribution, nats
 * @param attention how far attention outputs are from exact ones
 * @param greedy greedy continuations beside those of {@code full}
 * @param memory bytes, at most over the windows
 * @param windowTokens tokens that a window's sequence held in the end
 * @param retainedTokensPerLayer slots of each layer at the end of a window
 * @param fetch what value fetching did, sums and means over the windows
 * @param prefillTokensPerSecond prompt tokens a second
 * @param decodeTokensPerSecond decode steps a second
 * @param answers to the recall questions
 */
public record EntryResult(
        CacheEntry entry,
        KvCacheConfig config,
        String device,
        double perplexity,
        double perplexityRatio,
        double topOneAgreement,
        double klMean,
        AttentionLoss attention,
        Greedy greedy,
        MemoryUse memory,
        int windowTokens,
        List<Integer> retainedTokensPerLayer,
        FetchReport fetch,
        double prefillTokensPerSecond,
        double decodeTokensPerSecond,
        List<RecallAnswer> answers) {

    /**
     * Greedy continuations of the windows' prompts.
     *
     * @param agreementMean tokens before the first that {@code full} chose otherwise, mean over the windows
     * @param tokensMean tokens that {@code full} wrote, mean over the windows
     */
    public record Greedy(double agreementMean, double tokensMean) {}

    public EntryResult {
        retainedTokensPerLayer = List.copyOf(retainedTokensPerLayer);
        answers = List.copyOf(answers);
    }

    /** Bytes that {@code full} holds for a window. */
    public long fullBytes() {
        return config.fullBytes(config.maxSequenceTokens());
    }

    /** Device bytes at peak over what {@code full} holds. */
    public double deviceShare() {
        return (double) memory.deviceBytesPeak() / fullBytes();
    }

    /** Device bytes taken at open over what {@code full} holds. */
    public double allocatedShare() {
        return (double) memory.deviceBytesAllocated() / fullBytes();
    }

    /** Mean over the layers of the share of tokens kept, 0..1. */
    public double retainedShare() {
        double slots = retainedTokensPerLayer.stream()
                .mapToInt(Integer::intValue)
                .average()
                .orElse(0);
        return slots / windowTokens;
    }

    /** Share of the recall questions answered right, 0..1; NaN without questions. */
    public double recall() {
        long right = answers.stream().filter(RecallAnswer::right).count();
        return answers.isEmpty() ? Double.NaN : (double) right / answers.size();
    }

    /** Share answered right of what {@code full} answers right, 0..1; NaN where that is nothing. */
    public double recallOfFull() {
        return answers.isEmpty() ? Double.NaN : RecallAnswer.all(answers).recallOfFull();
    }
}
