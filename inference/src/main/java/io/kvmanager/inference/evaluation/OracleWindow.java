package io.kvmanager.inference.evaluation;

import io.kvmanager.inference.Score;
import io.kvmanager.inference.Scoring;
import java.util.List;

/**
 * What {@code full} said at every step of a window: its log-probabilities, {@code [step][vocabulary]}; and how it would
 * have gone on.
 */
final class OracleWindow {
    private final float[][] logProbabilities;
    private List<Integer> greedy = List.of();
    private Score score = new Score(List.of(), List.of(), 0, 0, 0, 0);

    OracleWindow(int steps) {
        logProbabilities = new float[steps][];
    }

    /** Keeps the logits of a step. */
    void keep(int step, float[] logits) {
        logProbabilities[step] = logProbabilities(logits);
    }

    void score(Score value) {
        score = value;
    }

    Score score() {
        return score;
    }

    /** Keeps the greedy continuation. */
    void greedy(List<Integer> ids) {
        greedy = List.copyOf(ids);
    }

    /** Tokens of the greedy continuation. */
    int greedyTokens() {
        return greedy.size();
    }

    /** Tokens that another greedy continuation has in common, from the first on. */
    int greedyAgreement(List<Integer> ids) {
        int same = 0;
        while (same < Math.min(ids.size(), greedy.size()) && ids.get(same).equals(greedy.get(same))) {
            same++;
        }
        return same;
    }

    /** Kullback-Leibler divergence of a step's logits from what was kept, nats. */
    double divergence(int step, float[] logits) {
        float[] full = logProbabilities[step];
        float[] other = logProbabilities(logits);
        double sum = 0;
        for (int i = 0; i < full.length; i++) {
            sum += Math.exp(full[i]) * ((double) full[i] - other[i]);
        }
        return Math.max(0, sum);
    }

    private static float[] logProbabilities(float[] logits) {
        double total = Scoring.logSumExp(logits);
        float[] logProbabilities = new float[logits.length];
        for (int i = 0; i < logits.length; i++) {
            logProbabilities[i] = (float) (logits[i] - total);
        }
        return logProbabilities;
    }
}
