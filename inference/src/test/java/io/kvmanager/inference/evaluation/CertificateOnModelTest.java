package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.FetchReport;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.inference.Scoring;
import io.kvmanager.inference.SharedFiles;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The error bound on the embedded model's own heads: it always holds, it is close, and what it takes to keep within it
 * is little. {@code -Dkv.certificate.windows=n} runs n windows of the text, 1 if not given.
 */
final class CertificateOnModelTest {
    private static final int WINDOWS = Integer.getInteger("kv.certificate.windows", 1);

    /** What one configuration did over windows. */
    private static final class Measured {
        final List<Double> errors = new ArrayList<>();
        final List<Double> slacks = new ArrayList<>();
        FetchReport fetch = FetchReport.NONE;
        double nats;
        int tokens;

        double meanError() {
            return errors.stream().mapToDouble(Double::doubleValue).average().orElse(0);
        }

        double medianSlack() {
            Collections.sort(slacks);
            return slacks.isEmpty() ? 0 : slacks.get(slacks.size() / 2);
        }
    }

    private static Measured run(String cache, List<EvaluationText.Window> windows) {
        Measured measured = new Measured();
        for (EvaluationText.Window window : windows) {
            KvCacheConfig config = CacheEntry.parse(cache)
                    .config(Prose.MODEL, window.promptTokens(), window.tokens(), Map.of(), "auto");
            try (KvCache open = KvCache.open(config);
                    ExactSequence sequence =
                            new ExactSequence(open.openSequence(), config.geometry(), window.tokens())) {
                for (double nats : Scoring.teacherForced(Prose.MODEL, sequence, window.prompt(), window.next())
                        .nats()) {
                    measured.nats += nats;
                    measured.tokens++;
                }
                measured.errors.addAll(sequence.errors);
                measured.slacks.addAll(sequence.slacks);
                measured.fetch = measured.fetch.plus(sequence.fetchReport());
            }
        }
        return measured;
    }

    @ParameterizedTest
    @CsvSource({"none", "renormalise", "mean", "int4", "int8"})
    void certifiedKeepsItsWord(String compensation) {
        List<EvaluationText.Window> windows = Prose.text(100).windows(200, 40, 1);
        Measured measured =
                run("kcache[selection=certified(0.01),compensation=" + compensation + ",recentTokens=32]", windows);
        assertTrue(Collections.max(measured.errors) <= .01, () -> "error " + Collections.max(measured.errors));
        assertTrue(measured.fetch.boundMax() <= .01, () -> "bound " + measured.fetch.boundMax());
    }

    @Test
    void littleIsFetchedAndNothingIsLost() throws Exception {
        EvaluationText text = EvaluationText.read(SharedFiles.path("model/heldout.txt"), Prose.MODEL);
        List<EvaluationText.Window> windows = text.windows(700, 300, WINDOWS);
        Measured full = run("kcache[selection=topN(64)]", windows);
        Measured int4 = run("kcache[selection=topN(3),compensation=int4]", windows);
        report("topN(3) int4", int4, full);
        assertTrue(int4.meanError() <= .003, () -> "error " + int4.meanError());
        assertTrue(ratio(int4, full) <= 1.0005, () -> "perplexity x " + ratio(int4, full));
        for (String compensation : List.of("none", "mean", "int4", "int8")) {
            Measured measured = run("kcache[selection=certified(0.01),compensation=" + compensation + "]", windows);
            report("certified(0.01) " + compensation, measured, full);
            double most = compensation.equals("int4") ? .15 : compensation.equals("int8") ? .02 : 1;
            assertTrue(measured.fetch.selectedShare() <= most, () -> compensation + " " + measured.fetch);
            assertTrue(Collections.max(measured.errors) <= .01, () -> "error " + Collections.max(measured.errors));
            assertTrue(measured.medianSlack() <= 4, () -> compensation + " slack " + measured.medianSlack());
            assertTrue(ratio(measured, full) <= 1.001, () -> "perplexity x " + ratio(measured, full));
        }
    }

    private static double ratio(Measured measured, Measured full) {
        return Math.exp(measured.nats / measured.tokens - full.nats / full.tokens);
    }

    private static void report(String what, Measured measured, Measured full) {
        System.out.printf(
                "%s: error mean %.5f max %.4f, bound / error median %.2f, tiles %.2f %%, perplexity x %.5f%n",
                what,
                measured.meanError(),
                Collections.max(measured.errors),
                measured.medianSlack(),
                100 * measured.fetch.selectedShare(),
                ratio(measured, full));
    }
}
