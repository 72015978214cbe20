package io.kvmanager.inference;

import io.kvmanager.KvSequence;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.List;

/** Teacher forcing: what the model thinks of given tokens, one decode step each, under whatever the cache kept. */
public final class Scoring {

    private Scoring() {}

    /**
     * Prefills {@code promptIds}, then scores {@code nextIds}: each is scored against the logits before it and then
     * fed. The last one is not fed, so the sequence grows by {@code promptIds.length + nextIds.length - 1}.
     *
     * @throws IllegalArgumentException if either is empty, or both do not fit the model's context
     */
    public static Score teacherForced(
            Model model, KvSequence sequence, int[] promptIds, int[] nextIds, LogitsListener listener) {
        checkFits(model, sequence, promptIds, nextIds);
        Transformer transformer = new Transformer(model);
        try (DecodeState state = new DecodeState(model.config(), Math.max(1, promptIds.length))) {
            long start = System.nanoTime();
            float[] logits = transformer.prefill(sequence, promptIds, state);
            long prefillNanos = System.nanoTime() - start;

            List<Double> nats = new ArrayList<>();
            List<Integer> best = new ArrayList<>();
            long decodeNanos = 0;
            for (int step = 0; step < nextIds.length; step++) {
                listener.logits(step, logits);
                nats.add(logSumExp(logits) - logits[nextIds[step]]);
                best.add(best(logits));
                if (step < nextIds.length - 1) {
                    long before = System.nanoTime();
                    logits = transformer.decode(sequence, nextIds[step], state);
                    decodeNanos += System.nanoTime() - before;
                }
            }
            return new Score(nats, best, promptIds.length, prefillNanos, nextIds.length - 1, decodeNanos);
        }
    }

    /** {@link #teacherForced(Model, KvSequence, int[], int[], LogitsListener)} that nobody listens to. */
    public static Score teacherForced(Model model, KvSequence sequence, int[] promptIds, int[] nextIds) {
        return teacherForced(model, sequence, promptIds, nextIds, (step, logits) -> {});
    }

    private static void checkFits(Model model, KvSequence sequence, int[] promptIds, int[] nextIds) {
        if (nextIds.length == 0) {
            throw new IllegalArgumentException("there are no tokens to score; accepted: 1 or more");
        }
        int context = model.config().context();
        long tokens = (long) sequence.length() + promptIds.length + nextIds.length - 1;
        if (tokens > context) {
            throw new IllegalArgumentException(promptIds.length + " prompt tokens and " + nextIds.length
                    + " scored ones behind " + sequence.length() + " exceed the model's context of " + context
                    + " tokens");
        }
        for (int id : nextIds) {
            if (id < 0 || id >= model.config().vocabulary()) {
                throw new IllegalArgumentException("token id " + id + " is not accepted; accepted: 0 to "
                        + (model.config().vocabulary() - 1));
            }
        }
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

    /** Logarithm of the sum of exponentials: subtracted from a logit, it gives the log-probability. */
    public static double logSumExp(float[] logits) {
        float largest = logits[best(logits)];
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - largest);
        }
        return largest + Math.log(sum);
    }
}
