package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.RetentionPolicy.PerLayer;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class ComparisonTest {
    private static final int LAYERS = Prose.MODEL.config().layers();
    private static final String QUARTER = "layers(" + String.join("/", Collections.nCopies(LAYERS, "0.25")) + ")";

    private final EvaluationText text = Prose.text(600);

    @Test
    void pagedLosesNothingAndPrunedHoldsLess() {
        List<RecallQuestion> questions = new RecallQuestions(Prose.MODEL, text).make(3, 1);
        List<EntryResult> results = new Comparison(Prose.MODEL, Map.of(), "auto", text.windows(200, 24, 2), questions)
                .run(CacheEntry.parseList("paged,pyramid[retention=" + QUARTER + "],kcache"), (what, at, of) -> {});
        assertEquals(
                List.of("full", "paged", "pyramid[retention=" + QUARTER + "]", "kcache"),
                results.stream().map(result -> result.entry().label()).toList());
        EntryResult paged = results.get(1);
        assertEquals(1, paged.perplexityRatio(), 1e-3);
        assertEquals(0, paged.klMean(), 1e-4);
        assertTrue(paged.topOneAgreement() > .95);
        for (RecallAnswer answer : paged.answers()) {
            assertEquals(answer.rightOfFull(), answer.right());
        }
        assertTrue(paged.greedy().agreementMean() <= paged.greedy().tokensMean());
        assertEquals(1, paged.retainedShare(), .01);
        EntryResult pruned = results.get(2);
        assertTrue(pruned.deviceShare() < paged.deviceShare() && pruned.retainedShare() < .4);
        assertTrue(pruned.klMean() > paged.klMean());
        assertTrue(results.get(3).fetch().bytesFetched() > 0
                && results.get(3).memory().hostBytesPeak() > 0);
    }

    @Test
    void settingsThatDoNotFitAreRefusedBeforeAnythingRuns() {
        Comparison comparison = new Comparison(Prose.MODEL, Map.of(), "auto", text.windows(50, 4, 1), List.of());
        List<CacheEntry> entries = CacheEntry.parseList("paged[retention=half]");
        assertThrows(
                IllegalArgumentException.class,
                () -> comparison.run(entries, (what, at, of) -> {
                    throw new AssertionError(what);
                }));
    }

    /** Calibration predicts what the real cache keeps, and how it answers. */
    @Test
    void aReplayKeepsWhatThePrunedCacheKeeps() {
        RecallQuestion question =
                new RecallQuestions(Prose.MODEL, text).make(3, 7).get(2);
        PerLayer policy = PerLayer.of("layers", Collections.nCopies(LAYERS, .25));
        int prompt = question.promptTokens() - 1;
        KvCacheConfig full = CacheEntry.FULL.config(Prose.MODEL, prompt, question.tokens(), Map.of(), "auto");
        KvCacheConfig pruned = CacheEntry.parse("pyramid[retention=" + QUARTER + "]")
                .config(Prose.MODEL, prompt, question.tokens(), Map.of(), "auto");
        try (RecallCheck check = new RecallCheck(Prose.MODEL, List.of(question));
                KvCache fullCache = KvCache.open(full);
                KvCache prunedCache = KvCache.open(pruned);
                KvSequence expected = prunedCache.openSequence()) {
            AttentionRecorder recorder =
                    new AttentionRecorder(fullCache.openSequence(), full.geometry(), question.tokens());
            check.prefill(recorder, question);
            check.prefill(expected, question);
            RecordedLayer[] layers = new RecordedLayer[LAYERS];
            int[][] kept = new int[LAYERS][];
            for (int layer = 0; layer < LAYERS; layer++) {
                layers[layer] = recorder.layer(layer);
                kept[layer] =
                        Arrays.copyOf(layers[layer].order(prompt, policy), RecordedLayer.kept(prompt, .25, policy));
            }
            PrunedReplay replay =
                    new PrunedReplay(layers, kept, prompt, full.geometry().queryRowElements());
            assertArrayEquals(expected.positions(0), replay.positions(0));
            assertArrayEquals(expected.positions(LAYERS - 1), replay.positions(LAYERS - 1));
            double nats = check.answerNats(expected, question);
            assertEquals(nats, check.answerNats(replay, question), .05 * Math.max(1, nats));
        }
    }
}
