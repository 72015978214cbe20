package io.kvmanager.inference.evaluation;

import io.kvmanager.KvSequence;
import io.kvmanager.inference.DecodeState;
import io.kvmanager.inference.Scoring;
import io.kvmanager.inference.Transformer;
import io.kvmanager.inference.model.Model;
import java.util.Arrays;
import java.util.List;

/**
 * Asks recall questions. The prompt without its last token is prefilled; that token and the answer are then fed one by
 * one, so that every token of the answer is predicted by a step that sees only what the cache kept. An answer is right
 * if each of its tokens is the one of largest logit.
 */
final class RecallCheck implements AutoCloseable {
    private final Transformer transformer;
    private final DecodeState state;

    /** Takes buffers for the longest of {@code questions}. */
    RecallCheck(Model model, List<RecallQuestion> questions) {
        transformer = new Transformer(model);
        int longest =
                questions.stream().mapToInt(RecallQuestion::promptTokens).max().orElse(1);
        state = new DecodeState(model.config(), longest);
    }

    /** Prefills all but the last token of the prompt. */
    void prefill(KvSequence sequence, RecallQuestion question) {
        int[] ids = question.ids();
        transformer.prefill(sequence, Arrays.copyOf(ids, ids.length - 1), state);
    }

    /** Feeds the last token of the prompt, and the answer up to its first wrong token; whether all was right. */
    boolean answersRight(KvSequence sequence, RecallQuestion question) {
        int fed = question.ids()[question.promptTokens() - 1];
        for (int expected : question.answerIds()) {
            float[] logits = transformer.decode(sequence, fed, state);
            if (Scoring.best(logits) != expected) {
                return false;
            }
            fed = expected;
        }
        return true;
    }

    /** Feeds the last token of the prompt and the answer; negative log-likelihood of each answer token, summed, nats. */
    double answerNats(KvSequence sequence, RecallQuestion question) {
        int fed = question.ids()[question.promptTokens() - 1];
        double nats = 0;
        for (int expected : question.answerIds()) {
            float[] logits = transformer.decode(sequence, fed, state);
            nats += Scoring.logSumExp(logits) - logits[expected];
            fed = expected;
        }
        return nats;
    }

    @Override
    public void close() {
        state.close();
    }
}
