package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.FetchReport;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What the audit finds, where it is known beforehand. */
final class AttentionAuditTest {
    private static final int PROMPT = 6;
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 2, 8, 16, ElementType.F32);

    /** Forgets all but some tokens of the prompt, and answers with a constant. */
    private static final class Forgetful implements KvSequence {
        private final int[] kept;
        private final float answer;
        private int length;

        Forgetful(int[] kept, float answer) {
            this.kept = kept;
            this.answer = answer;
        }

        @Override
        public int length() {
            return length;
        }

        @Override
        public int retained(int layer) {
            return positions(layer).length;
        }

        @Override
        public int[] positions(int layer) {
            return IntStream.concat(Arrays.stream(kept), IntStream.range(PROMPT, length))
                    .toArray();
        }

        @Override
        public void beginPrompt(int tokens) {}

        @Override
        public RowSelection attendPrompt(
                int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
            return RowSelection.all(rows);
        }

        @Override
        public void beginToken() {}

        @Override
        public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
            for (int i = 0; i < GEOMETRY.queryRowElements(); i++) {
                out.setAtIndex(ValueLayout.JAVA_FLOAT, i, answer);
            }
        }

        @Override
        public void commit() {
            length = length == 0 ? PROMPT : length + 1;
        }

        @Override
        public KvSequence fork() {
            throw new UnsupportedOperationException();
        }

        @Override
        public void truncate(int tokens) {
            throw new UnsupportedOperationException();
        }

        @Override
        public FetchReport fetchReport() {
            return FetchReport.NONE;
        }

        @Override
        public void close() {}
    }

    /**
     * Equal keys make equal weights. Six tokens of value 2 are given, then one of value 9: attention over all is 3;
     * over tokens 0 and 1 and the new one 13 / 3.
     */
    @Test
    void errorsAreAgainstWhatWasGivenAndAgainstWhatIsHeld() {
        AuditTally tally = new AuditTally(GEOMETRY.layers(), GEOMETRY.queryHeads());
        try (AttentionAudit audit =
                new AttentionAudit(new Forgetful(new int[] {0, 1}, 3.3f), GEOMETRY, PROMPT + 1, tally)) {
            MemorySegment q = filled(PROMPT * GEOMETRY.queryRowElements(), 1);
            MemorySegment k = filled(PROMPT * GEOMETRY.keyValueRowElements(), 0);
            MemorySegment v = filled(PROMPT * GEOMETRY.keyValueRowElements(), 2);
            MemorySegment nine = filled(GEOMETRY.keyValueRowElements(), 9);
            audit.beginPrompt(PROMPT);
            for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                audit.attendPrompt(layer, PROMPT, q, k, v, q);
            }
            audit.commit();
            audit.beginToken();
            for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                audit.attend(layer, q, k, nine, filled(GEOMETRY.queryRowElements(), 0));
            }
            audit.commit();
        }
        AttentionLoss loss = tally.loss();
        assertEquals(2 * 4, loss.outputs());
        assertEquals(.1, loss.errorMean(), 1e-6);
        assertEquals(.1, loss.errorMax(), 1e-6);
        double held = 13 / 3.;
        assertEquals((held - 3.3) / held, loss.fetchErrorMean(), 1e-6);
        loss.droppedMassPerLayer().forEach(mass -> assertEquals(4 / 7., mass, 1e-12));
        assertEquals(List.of(0., 0.), loss.missedMassPerLayer());
    }

    private static MemorySegment filled(int elements, float value) {
        float[] all = new float[elements];
        Arrays.fill(all, value);
        return Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, all);
    }

    /** Against the sum written out, with the rounding of the element type. */
    @Test
    void exactAttentionIsTheSoftmaxSum() {
        CacheGeometry geometry = new CacheGeometry(1, 2, 1, 8, 16, ElementType.BF16);
        Random random = new Random(5);
        int tokens = 9;
        ExactAttention exact = new ExactAttention(geometry, tokens);
        float[] k = random(random, tokens * 8);
        float[] v = random(random, tokens * 8);
        float[] q = random(random, 16);
        for (int token = 0; token < tokens; token++) {
            exact.append(10 * token, token, MemorySegment.ofArray(k), MemorySegment.ofArray(v));
        }
        exact.hold(new int[] {0, 30, 80});
        double[] ofAll = new double[8];
        double[] ofHeld = new double[8];
        exact.attend(MemorySegment.ofArray(q), 1, ofAll, ofHeld);
        double[] weights = new double[tokens];
        for (int token = 0; token < tokens; token++) {
            double dot = 0;
            for (int e = 0; e < 8; e++) {
                dot += q[8 + e] * (double) bf16(k[token * 8 + e]);
            }
            weights[token] = Math.exp(dot / Math.sqrt(8));
        }
        for (int e = 0; e < 8; e++) {
            assertEquals(average(weights, v, e, new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8}), ofAll[e], 1e-12);
            assertEquals(average(weights, v, e, new int[] {0, 3, 8}), ofHeld[e], 1e-12);
        }
        double all = Arrays.stream(weights).sum();
        assertEquals(1 - (weights[0] + weights[3] + weights[8]) / all, exact.droppedMass(), 1e-12);
    }

    private static double average(double[] weights, float[] v, int element, int[] tokens) {
        double sum = 0;
        double weight = 0;
        for (int token : tokens) {
            sum += weights[token] * bf16(v[token * 8 + element]);
            weight += weights[token];
        }
        return sum / weight;
    }

    private static float bf16(float value) {
        return ElementType.BF16.decode(ElementType.BF16.encode(value));
    }

    private static float[] random(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (random.nextGaussian() * 2);
        }
        return values;
    }

    /** Real caches: what keeps and reads everything errs by rounding only, what forgets or does not read by more. */
    @Test
    void cachesErrWhereTheyForgetOrDoNotRead() {
        EvaluationText text = Prose.text(300);
        List<EntryResult> results = new Comparison(
                        Prose.MODEL, Map.of("recentTokens", "16"), "auto", text.windows(180, 12, 1), List.of())
                .run(
                        CacheEntry.parseList("local[retention=local(sinks=4,recent=64)],kcache[selection=topN(1)],"
                                + "pyramid[retention=pyramid(curve=cosine,d=.5,recent=.1)]"),
                        (what, at, of) -> {});
        AttentionLoss full = results.get(0).attention();
        assertTrue(full.errorMax() < 1e-4, "full " + full.errorMax());
        AttentionLoss local = results.get(1).attention();
        assertTrue(local.fetchErrorMax() < 1e-4 && local.errorMean() > 1e-3, "local " + local);
        assertTrue(local.droppedMassMean() > .01);
        AttentionLoss kcache = results.get(2).attention();
        assertEquals(kcache.errorMean(), kcache.fetchErrorMean(), 1e-12);
        assertTrue(kcache.errorMean() > 1e-3 && kcache.droppedMassMean() == 0, "kcache " + kcache);
        double missed = kcache.missedMassPerLayer().stream()
                .mapToDouble(Double::doubleValue)
                .average()
                .orElseThrow();
        assertEquals(results.get(2).fetch().missedMassMean(), missed, 1e-9);
        assertEquals(
                (double) results.get(2).fetch().bytesFetched(),
                kcache.bytesFetchedPerStep().stream()
                        .mapToDouble(Double::doubleValue)
                        .sum());
        assertTrue(results.get(3).attention().fetchErrorMax() < 1e-4, "row-dropping " + results.get(3));
    }

    /** A bound that is promised holds, and one that is not kept is counted. */
    @Test
    void boundsAreComparedWithTrueErrors() {
        EvaluationText text = Prose.text(300);
        EntryResult certified = new Comparison(Prose.MODEL, Map.of(), "auto", text.windows(180, 12, 1), List.of())
                .run(CacheEntry.parseList("kcache[selection=certified(0.05),compensation=int4]"), (what, at, of) -> {})
                .getLast();
        AttentionLoss.Bounds bounds = certified.attention().bounds().orElseThrow();
        assertEquals(0, bounds.violations());
        assertEquals(certified.attention().outputs(), bounds.outputs());
        assertTrue(certified.attention().fetchErrorMax() <= .05 + AttentionLoss.F32_ROUNDING);
        assertTrue(bounds.slackMedian() >= 1 && bounds.slackP99() >= bounds.slackMedian(), bounds.toString());
        AuditTally tally = new AuditTally(1, 1);
        tally.bound(0, .1, .2, 1);
        tally.bound(0, .3, .1, 1);
        AttentionLoss.Bounds broken = tally.loss().bounds().orElseThrow();
        assertEquals(1, broken.violations());
        assertEquals(.3, broken.max());
        assertEquals(.5, broken.slackMedian(), 1e-12);
    }
}
