package io.kvmanager.inference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The whole engine against logits, ids and likelihoods that other programs computed. */
final class ReferenceTest {

    @Test
    void embeddedModelGivesTheReferenceLogitsAndText() {
        JsonNode reference = SharedFiles.json("model/reference.json");
        Model model = Model.load(Model.EMBEDDED);
        for (JsonNode expected : reference.path("cases")) {
            int[] ids = integers(expected.path("ids"));
            assertArrayEquals(
                    ids, model.tokenizer().encode(expected.path("prompt").textValue()));
            check(model, ids, floats(expected.path("last_logits")), 1e-3);

            Score score = Scoring.teacherForced(
                    model,
                    new NaiveSequence(model.config()),
                    Arrays.copyOf(ids, 1),
                    Arrays.copyOfRange(ids, 1, ids.length));
            assertEquals(expected.path("nats_per_token").doubleValue(), score.meanNats(), 2e-4);

            List<Integer> greedy =
                    greedy(model, ids, expected.path("greedy_ids").size());
            assertArrayEquals(integers(expected.path("greedy_ids")), integers(greedy));
            assertEquals(
                    expected.path("greedy_text").textValue(), model.tokenizer().decode(greedy));
        }
    }

    @Test
    void stories260KGivesTheReferenceLogitsAndText() {
        checkLlama2c("data/models/stories260K/stories260K.bin", "data/reference/stories260K_reference.json");
    }

    @Test
    void bitllama3MGivesTheReferenceLogitsAndText() {
        checkLlama2c("data/models/bitllama3M/bit_model.bin", "data/reference/bitllama3M_reference.json");
    }

    private static void checkLlama2c(String file, String referenceFile) {
        JsonNode reference = SharedFiles.json(referenceFile);
        Model model = Model.load(SharedFiles.path(file).toString());
        for (JsonNode expected : reference.path("cases")) {
            int[] ids = integers(expected.path("tokens"));
            assertArrayEquals(
                    ids, model.tokenizer().encode(expected.path("prompt").textValue()));
            check(model, ids, floats(expected.path("last_logits_f32")), 2e-4);

            Score score = Scoring.teacherForced(
                    model,
                    new NaiveSequence(model.config()),
                    Arrays.copyOf(ids, 1),
                    Arrays.copyOfRange(ids, 1, ids.length));
            assertEquals(expected.path("mean_nll").doubleValue(), score.meanNats(), 1e-4);

            int[] greedy = integers(expected.path("greedy_continuation"));
            List<Integer> ours = greedy(model, ids, greedy.length);
            assertArrayEquals(Arrays.copyOf(greedy, ours.size()), integers(ours));
            assertTrue(ours.size() == greedy.length || model.config().endIds().contains(greedy[ours.size()]));
        }
    }

    private static void check(Model model, int[] ids, float[] expected, double tolerance) {
        try (DecodeState state = new DecodeState(model.config(), ids.length)) {
            Transformer transformer = new Transformer(model);
            double worst = difference(expected, transformer.prefill(new NaiveSequence(model.config()), ids, state));
            NaiveSequence stepwise = new NaiveSequence(model.config());
            float[] logits = transformer.prefill(stepwise, Arrays.copyOf(ids, 1), state);
            for (int i = 1; i < ids.length; i++) {
                logits = transformer.decode(stepwise, ids[i], state);
            }
            worst = Math.max(worst, difference(expected, logits));
            System.out.printf("%s, %d tokens: largest logit difference %.2e%n", model.name(), ids.length, worst);
            assertTrue(worst <= tolerance, () -> "logits differ by more than " + tolerance);
        }
    }

    private static List<Integer> greedy(Model model, int[] ids, int tokens) {
        List<Integer> heard = new ArrayList<>();
        Generation generation = DecodeLoop.generate(
                model, new NaiveSequence(model.config()), ids, tokens, Sampler.greedy(), heard::add);
        assertEquals(generation.ids(), heard);
        return heard;
    }

    private static double difference(float[] expected, float[] found) {
        assertEquals(expected.length, found.length);
        double worst = 0;
        for (int i = 0; i < expected.length; i++) {
            worst = Math.max(worst, Math.abs(expected[i] - found[i]));
        }
        return worst;
    }

    private static int[] integers(JsonNode list) {
        int[] values = new int[list.size()];
        Arrays.setAll(values, i -> list.get(i).intValue());
        return values;
    }

    private static int[] integers(List<Integer> list) {
        return list.stream().mapToInt(Integer::intValue).toArray();
    }

    private static float[] floats(JsonNode list) {
        float[] values = new float[list.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = list.get(i).floatValue();
        }
        return values;
    }
}
