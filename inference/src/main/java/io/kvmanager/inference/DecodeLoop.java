package io.kvmanager.inference;

import io.kvmanager.KvSequence;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;

/** Prompt in, tokens out: prefill, then sample, feed back, repeat. Start reading here. */
public final class DecodeLoop {

    private DecodeLoop() {}

    /**
     * Feeds a prompt behind what the sequence holds and generates until the limit, an end token or the end of the
     * context. The last generated token is not fed, so the sequence ends one token short of the text.
     *
     * @param model the model
     * @param sequence where keys and values go; stays open
     * @param promptIds at least one id
     * @param maxNewTokens tokens to generate at most, 1 or more
     * @param sampler chooses each token
     * @param onToken called with every generated id as soon as it is known
     * @throws IllegalArgumentException if the prompt is empty or does not fit the model's context
     */
    public static Generation generate(
            Model model, KvSequence sequence, int[] promptIds, int maxNewTokens, Sampler sampler, IntConsumer onToken) {
        if (maxNewTokens < 1) {
            throw new IllegalArgumentException(
                    "maxNewTokens " + maxNewTokens + " is not accepted; accepted: 1 or more");
        }
        Transformer transformer = new Transformer(model);
        try (DecodeState state = new DecodeState(model.config(), Math.max(1, promptIds.length))) {
            long start = System.nanoTime();
            float[] logits = transformer.prefill(sequence, promptIds, state);
            long prefilled = System.nanoTime();

            List<Integer> ids = new ArrayList<>();
            int steps = 0;
            while (true) {
                int id = sampler.sample(logits);
                if (model.config().endIds().contains(id)) {
                    return generation(ids, promptIds, prefilled - start, steps, prefilled, Generation.End.END_TOKEN);
                }
                ids.add(id);
                onToken.accept(id);
                if (ids.size() == maxNewTokens) {
                    return generation(ids, promptIds, prefilled - start, steps, prefilled, Generation.End.LIMIT);
                }
                if (sequence.length() == model.config().context()) {
                    return generation(ids, promptIds, prefilled - start, steps, prefilled, Generation.End.CONTEXT);
                }
                logits = transformer.decode(sequence, id, state);
                steps++;
            }
        }
    }

    private static Generation generation(
            List<Integer> ids, int[] promptIds, long prefillNanos, int steps, long decodeStart, Generation.End end) {
        return new Generation(ids, promptIds.length, prefillNanos, steps, System.nanoTime() - decodeStart, end);
    }
}
