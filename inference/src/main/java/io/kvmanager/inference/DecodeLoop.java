package io.kvmanager.inference;

import io.kvmanager.KvSequence;
import io.kvmanager.inference.model.Model;
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
            Model model,
            KvSequence sequence,
            int[] promptIds,
            int maxNewTokens,
            Sampler sampler,
            IntConsumer onToken) {
        java.util.Objects.requireNonNull(model);
        throw new UnsupportedOperationException("not built yet");
    }
}
