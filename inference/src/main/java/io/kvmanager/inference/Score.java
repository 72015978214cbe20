package io.kvmanager.inference;

import java.util.List;

/**
 * What teacher forcing measured, one entry per scored token.
 *
 * @param nats negative log-likelihood of each token, nats
 * @param best the id with the largest logit at each step, which greedy decoding would have taken
 * @param promptTokens tokens of the prompt
 * @param prefillNanos from the prompt to the logits behind its last token, nanoseconds
 * @param decodeSteps tokens that were fed one by one
 * @param decodeNanos time of those steps, without listener and scoring, nanoseconds
 */
public record Score(
        List<Double> nats, List<Integer> best, int promptTokens, long prefillNanos, int decodeSteps, long decodeNanos) {

    public Score {
        nats = List.copyOf(nats);
        best = List.copyOf(best);
    }

    /** Mean negative log-likelihood, nats per token. */
    public double meanNats() {
        return nats.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
    }

    /** Perplexity, e to the mean negative log-likelihood. */
    public double perplexity() {
        return Math.exp(meanNats());
    }
}
