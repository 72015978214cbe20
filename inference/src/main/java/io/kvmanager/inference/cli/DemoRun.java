package io.kvmanager.inference.cli;

import io.kvmanager.CacheName;
import io.kvmanager.FetchReport;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.MemoryUse;
import io.kvmanager.inference.DecodeLoop;
import io.kvmanager.inference.Generation;
import io.kvmanager.inference.Sampler;
import io.kvmanager.inference.Score;
import io.kvmanager.inference.Scoring;
import io.kvmanager.inference.model.Model;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * What one cache did in the demo: it generated text, and it went through the story.
 *
 * @param config its configuration
 * @param device the device it ran on, for people
 * @param text generated text
 * @param fullBytes what {@code full} would hold at the end of the story
 * @param memory bytes at the end of the story, and at peak
 * @param retained slots of each layer there
 * @param fetched what value fetching did in the story
 * @param score likelihoods of the story
 * @param storyTokens tokens of the story that were fed
 * @param perplexity on the continuation
 * @param answeredRight questions answered right
 * @param questions questions asked
 */
record DemoRun(
        KvCacheConfig config,
        String device,
        String text,
        long fullBytes,
        MemoryUse memory,
        List<Integer> retained,
        FetchReport fetched,
        Score score,
        int storyTokens,
        double perplexity,
        int answeredRight,
        int questions) {

    DemoRun {
        retained = List.copyOf(retained);
    }

    /**
     * Runs one cache.
     *
     * @param promptIds what to continue
     * @param maxNewTokens tokens to generate
     * @param onToken sees every generated id
     * @param onStep sees the index of every scored token
     */
    static DemoRun of(
            Model model,
            KvCacheConfig config,
            DemoStory story,
            int[] promptIds,
            int maxNewTokens,
            Sampler sampler,
            IntConsumer onToken,
            IntConsumer onStep) {
        Generation generation;
        try (KvCache cache = KvCache.open(config);
                KvSequence sequence = cache.openSequence()) {
            generation = DecodeLoop.generate(model, sequence, promptIds, maxNewTokens, sampler, onToken);
        }
        try (KvCache cache = KvCache.open(config);
                KvSequence sequence = cache.openSequence()) {
            Score score = Scoring.teacherForced(
                    model,
                    sequence,
                    DemoStory.array(story.promptIds()),
                    DemoStory.array(story.nextIds()),
                    (step, logits) -> onStep.accept(step));
            return new DemoRun(
                    config,
                    cache.deviceDescription(),
                    model.tokenizer().decode(generation.ids()),
                    config.fullBytes(sequence.length()),
                    cache.memory(),
                    retained(sequence, config.geometry().layers()),
                    sequence.fetchReport(),
                    score,
                    sequence.length(),
                    perplexity(score, story.continuationTokens()),
                    story.answeredRight(score.best()),
                    story.answers().size());
        }
    }

    static List<Integer> retained(KvSequence sequence, int layers) {
        return IntStream.range(0, layers).map(sequence::retained).boxed().toList();
    }

    private static double perplexity(Score score, int tokens) {
        return Math.exp(score.nats().subList(0, tokens).stream()
                .mapToDouble(Double::doubleValue)
                .average()
                .orElse(Double.NaN));
    }

    boolean isOf(CacheName cache) {
        return config.cache() == cache;
    }

    String name() {
        return config.cache().toString();
    }

    /** Device bytes at peak as a share of what {@code full} would hold. */
    double deviceShare() {
        return (double) memory.deviceBytesPeak() / fullBytes;
    }

    double prefillTokensPerSecond() {
        return score.promptTokens() * 1e9 / Math.max(1, score.prefillNanos());
    }

    double decodeTokensPerSecond() {
        return score.decodeSteps() * 1e9 / Math.max(1, score.decodeNanos());
    }

    /** Share of questions answered right, 0..1; NaN when none was asked. */
    double recall() {
        return questions == 0 ? Double.NaN : (double) answeredRight / questions;
    }

    /** Share of the continuation's tokens where this cache and {@code other} have the same likeliest token, 0..1. */
    double topOneAgreement(DemoRun other, int tokens) {
        long same = IntStream.range(0, tokens)
                .filter(i -> score.best().get(i).equals(other.score.best().get(i)))
                .count();
        return (double) same / tokens;
    }

    /** The fields that every run has. */
    Json.Run json() {
        return new Json.Run(
                config.cache(),
                config.toString(),
                memory.deviceBytesPeak(),
                memory.hostBytesPeak(),
                fullBytes,
                retained,
                fetched.bytesFetched(),
                prefillTokensPerSecond(),
                decodeTokensPerSecond());
    }
}
