package io.kvmanager.inference;

import io.kvmanager.KvSequence;
import io.kvmanager.inference.model.Model;

/** Teacher forcing: what the model thinks of given tokens, one decode step each, under whatever the cache kept. */
public final class Scoring {

    private Scoring() {}

    /**
     * Prefills {@code promptIds}, then scores {@code nextIds}: each is scored against the logits before it and then fed.
     * The last one is scored and not fed, so the sequence grows by {@code promptIds.length + nextIds.length - 1}.
     *
     * @throws IllegalArgumentException if either is empty, or both do not fit the model's context
     */
    public static Score teacherForced(
            Model model, KvSequence sequence, int[] promptIds, int[] nextIds, LogitsListener listener) {
        java.util.Objects.requireNonNull(model);
        throw new UnsupportedOperationException("not built yet");
    }

    /** {@link #teacherForced(Model, KvSequence, int[], int[], LogitsListener)} that nobody listens to. */
    public static Score teacherForced(Model model, KvSequence sequence, int[] promptIds, int[] nextIds) {
        return teacherForced(model, sequence, promptIds, nextIds, (step, logits) -> {});
    }

    /** Index of the largest logit; the smaller one on a tie. */
    public static int best(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        return best;
    }
}
