package io.kvmanager.inference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelConfig;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

final class DecodeLoopTest {
    private static final String PROMPT = "The lighthouse keeper climbed the stairs and looked out over the sea.";
    private static final String EXPECTED =
            "\n\"I'm going to get a good breakfast,\" said the old man. \"I'm going to get a good";

    private final Model model = Model.load(Model.EMBEDDED);
    private final ModelConfig config = model.config();

    @Test
    void greedyTextIsStable() {
        List<Integer> heard = new ArrayList<>();
        NaiveSequence sequence = new NaiveSequence(config);
        int[] prompt = model.tokenizer().encode(PROMPT);
        Generation generation = DecodeLoop.generate(model, sequence, prompt, 24, Sampler.greedy(), heard::add);
        assertEquals(EXPECTED, model.tokenizer().decode(generation.ids()));
        assertEquals(generation.ids(), heard);
        assertEquals(Generation.End.LIMIT, generation.end());
        assertEquals(23, generation.decodeSteps());
        assertEquals(prompt.length, generation.promptTokens());
        assertEquals(prompt.length + 23, sequence.length());
        assertTrue(generation.prefillTokensPerSecond() > 0 && generation.decodeTokensPerSecond() > 0);
    }

    @Test
    void aPromptInTwoPartsGivesTheSameText() {
        int[] prompt = model.tokenizer().encode(PROMPT);
        NaiveSequence sequence = new NaiveSequence(config);
        try (DecodeState state = new DecodeState(config, prompt.length)) {
            new Transformer(model).prefill(sequence, Arrays.copyOf(prompt, 9), state);
        }
        Generation generation = DecodeLoop.generate(
                model, sequence, Arrays.copyOfRange(prompt, 9, prompt.length), 24, Sampler.greedy(), id -> {});
        assertEquals(EXPECTED, model.tokenizer().decode(generation.ids()));
    }

    @Test
    void theContextEndsGeneration() {
        int[] prompt = new int[config.context() - 2];
        Arrays.fill(prompt, 12);
        NaiveSequence sequence = new NaiveSequence(config);
        Generation generation = DecodeLoop.generate(model, sequence, prompt, 10, Sampler.greedy(), id -> {});
        assertEquals(Generation.End.CONTEXT, generation.end());
        assertEquals(3, generation.ids().size());
        assertEquals(config.context(), sequence.length());
    }

    @Test
    void badRequestsAreRefusedInOneLine() {
        refused("exceed the model's context of 1024", new int[1025], 1);
        refused("prompt is empty", new int[0], 1);
        refused("maxNewTokens 0", new int[] {5}, 0);
        refused("token id 4096", new int[] {0, 4096}, 1);
        refused("token id -1", new int[] {-1}, 1);
        Throwable noRoom = assertThrows(
                IllegalArgumentException.class,
                () -> Scoring.teacherForced(model, new NaiveSequence(config), new int[1000], new int[26]));
        assertTrue(noRoom.getMessage().contains("exceed the model's context of 1024"));
    }

    private void refused(String reason, int[] prompt, int tokens) {
        Throwable thrown = assertThrows(
                IllegalArgumentException.class,
                () -> DecodeLoop.generate(
                        model, new NaiveSequence(config), prompt, tokens, Sampler.greedy(), id -> {}));
        assertTrue(thrown.getMessage().contains(reason), thrown.getMessage());
    }

    @Test
    void scoringSeesWhatGreedyDecodingWouldTake() {
        int[] prompt = model.tokenizer().encode(PROMPT);
        List<Integer> ids = DecodeLoop.generate(
                        model, new NaiveSequence(config), prompt, 12, Sampler.greedy(), id -> {})
                .ids();
        int[] next = ids.stream().mapToInt(Integer::intValue).toArray();
        List<Double> natsByHand = new ArrayList<>();
        Score score = Scoring.teacherForced(
                model,
                new NaiveSequence(config),
                prompt,
                next,
                (step, logits) -> natsByHand.add(Scoring.logSumExp(logits) - logits[next[step]]));
        assertEquals(ids, score.best());
        assertEquals(natsByHand, score.nats());
        assertEquals(11, score.decodeSteps());
        assertEquals(Math.exp(score.meanNats()), score.perplexity());
    }

    @Test
    void aDecodeStepAllocatesNothing() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 40 && least > 0; round++) {
            NaiveSequence sequence = new NaiveSequence(config);
            try (DecodeState state = new DecodeState(config, 1)) {
                Transformer transformer = new Transformer(model);
                transformer.prefill(sequence, new int[] {0}, state);
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 50; i++) {
                    transformer.decode(sequence, Scoring.best(state.logits()), state);
                }
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
        }
        assertEquals(0, least, "bytes allocated by 50 decode steps");
    }
}
