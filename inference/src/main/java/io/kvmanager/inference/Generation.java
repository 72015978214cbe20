package io.kvmanager.inference;

import java.util.List;

/**
 * What a decode loop produced.
 *
 * @param ids generated ids, without the end token
 * @param promptTokens tokens of the prompt
 * @param prefillNanos from the prompt to the logits behind its last token, nanoseconds
 * @param decodeSteps tokens that were fed back one by one
 * @param decodeNanos time of those steps, sampling included, nanoseconds
 * @param end why it stopped
 */
public record Generation(
        List<Integer> ids, int promptTokens, long prefillNanos, int decodeSteps, long decodeNanos, End end) {

    /** Why generation stopped. */
    public enum End {
        /** As many tokens as were asked for. */
        LIMIT,
        /** The model ended the text. */
        END_TOKEN,
        /** No position is left in the model's context. */
        CONTEXT
    }

    public Generation {
        ids = List.copyOf(ids);
    }

    /** Prompt tokens a second. */
    public double prefillTokensPerSecond() {
        return promptTokens * 1e9 / Math.max(1, prefillNanos);
    }

    /** Decode steps a second; 0 when there was none. */
    public double decodeTokensPerSecond() {
        return decodeSteps * 1e9 / Math.max(1, decodeNanos);
    }
}
