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
 * @param memory bytes, at most over the windows
 * @param windowTokens tokens that a window's sequence held in the end
 * @param retainedTokensPerLayer slots of each layer at the end of a window
 * @param fetch what value fetching did, sums and means over the windows
 * @param prefillTokensPerSecond prompt tokens a second
 * @param decodeTokensPerSecond decode steps a second
 * @param answers whether each recall question was answered right
 * @param answersOfFull the same of {@code full}
 */
public record EntryResult(
        CacheEntry entry,
        KvCacheConfig config,
        String device,
        double perplexity,
        double perplexityRatio,
        double topOneAgreement,
        double klMean,
        MemoryUse memory,
        int windowTokens,
        List<Integer> retainedTokensPerLayer,
        FetchReport fetch,
        double prefillTokensPerSecond,
        double decodeTokensPerSecond,
        List<Boolean> answers,
        List<Boolean> answersOfFull) {

    public EntryResult {
        retainedTokensPerLayer = List.copyOf(retainedTokensPerLayer);
        answers = List.copyOf(answers);
        answersOfFull = List.copyOf(answersOfFull);
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
        return answers.isEmpty() ? Double.NaN : (double) right(answers) / answers.size();
    }

    /** Share answered right of what {@code full} answers right, 0..1; NaN where that is nothing. */
    public double recallOfFull() {
        int both = 0;
        for (int i = 0; i < answers.size(); i++) {
            both += answers.get(i) && answersOfFull.get(i) ? 1 : 0;
        }
        return (double) both / right(answersOfFull);
    }

    /** Answers that are right. */
    public static int right(List<Boolean> answers) {
        return (int) answers.stream().filter(answer -> answer).count();
    }
}
