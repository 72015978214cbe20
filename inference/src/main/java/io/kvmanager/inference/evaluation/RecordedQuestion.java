package io.kvmanager.inference.evaluation;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.RetentionPolicy.PerLayer;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** A recall question whose prompt has been computed once, and can be answered under any shares. */
final class RecordedQuestion {
    private final RecallQuestion question;
    private final RecordedLayer[] layers;
    private final int[][] orders;
    private final CacheGeometry geometry;
    private final PerLayer policy;
    private final double fullNats;

    private RecordedQuestion(
            RecallQuestion question,
            AttentionRecorder recorder,
            PerLayer policy,
            CacheGeometry geometry,
            double fullNats) {
        this.question = question;
        this.geometry = geometry;
        this.policy = policy;
        this.fullNats = fullNats;
        layers = new RecordedLayer[geometry.layers()];
        orders = new int[layers.length][];
        for (int layer = 0; layer < layers.length; layer++) {
            layers[layer] = recorder.layer(layer);
            orders[layer] = layers[layer].order(prompt(), policy);
            layers[layer].forgetQueries();
        }
    }

    /**
     * Computes and answers a question under {@code full}, and adds the mass its answer pays to {@code lost}.
     *
     * @return empty if the answer is wrong: nothing can be lost
     */
    static Optional<RecordedQuestion> record(
            KvCacheConfig full, RecallCheck check, RecallQuestion question, PerLayer policy, LostMass lost) {
        CacheGeometry geometry = full.geometry();
        try (KvCache cache = KvCache.open(full);
                KvSequence sequence = cache.openSequence()) {
            AttentionRecorder recorder = new AttentionRecorder(sequence, geometry, question.tokens());
            check.prefill(recorder, question);
            if (!check.answersRight(recorder, question)) {
                return Optional.empty();
            }
            lost.add(recorder, policy);
            RecordedQuestion unpruned = new RecordedQuestion(question, recorder, policy, geometry, 0);
            double nats = unpruned.answerNats(check, everything(geometry.layers()));
            return Optional.of(new RecordedQuestion(unpruned, nats));
        }
    }

    private RecordedQuestion(RecordedQuestion other, double fullNats) {
        question = other.question;
        layers = other.layers;
        orders = other.orders;
        geometry = other.geometry;
        policy = other.policy;
        this.fullNats = fullNats;
    }

    private static List<Double> everything(int layers) {
        return Collections.nCopies(layers, 1.0);
    }

    private int prompt() {
        return question.promptTokens() - 1;
    }

    /** Whether the answer is right when each layer keeps its share. */
    boolean answersRight(RecallCheck check, List<Double> shares) {
        try (KvSequence replay = replay(shares)) {
            return check.answersRight(replay, question);
        }
    }

    /** How much less likely the answer is than with everything kept, nats. */
    double natsLost(RecallCheck check, List<Double> shares) {
        return answerNats(check, shares) - fullNats;
    }

    private double answerNats(RecallCheck check, List<Double> shares) {
        try (KvSequence replay = replay(shares)) {
            return check.answerNats(replay, question);
        }
    }

    private KvSequence replay(List<Double> shares) {
        int[][] kept = new int[layers.length][];
        for (int layer = 0; layer < layers.length; layer++) {
            kept[layer] = Arrays.copyOf(orders[layer], RecordedLayer.kept(prompt(), shares.get(layer), policy));
        }
        return new PrunedReplay(layers, kept, prompt(), geometry.queryRowElements());
    }
}
