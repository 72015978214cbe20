package io.kvmanager;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Steps of several sequences, to be begun at once by {@link KvCache#begin}: each a token or a prompt. Meant to be kept
 * and filled again: once it has held as many steps, it allocates nothing. Not thread-safe.
 */
public final class StepBatch {
    private static final int TOKEN = 0;

    private final List<KvSequence> sequences = new ArrayList<>();
    private int[] promptTokens = new int[16];

    /** Forgets every step. */
    public void clear() {
        sequences.clear();
    }

    /** Adds what {@link KvSequence#beginToken} begins. */
    public void token(KvSequence sequence) {
        add(sequence, TOKEN);
    }

    /** Adds what {@link KvSequence#beginPrompt} begins. */
    public void prompt(KvSequence sequence, int tokens) {
        if (tokens < 1) {
            throw new IllegalArgumentException("a prompt of " + tokens + " tokens; accepted: 1 or more");
        }
        add(sequence, tokens);
    }

    private void add(KvSequence sequence, int tokens) {
        if (sequences.size() == promptTokens.length) {
            promptTokens = Arrays.copyOf(promptTokens, 2 * promptTokens.length);
        }
        promptTokens[sequences.size()] = tokens;
        sequences.add(sequence);
    }

    /** Steps in the batch. */
    public int size() {
        return sequences.size();
    }

    public KvSequence sequence(int step) {
        return sequences.get(step);
    }

    /** Whether a step is a prompt. */
    public boolean isPrompt(int step) {
        return promptTokens[step] != TOKEN;
    }

    /** Tokens of a step: a prompt's, or 1. */
    public int tokens(int step) {
        return isPrompt(step) ? promptTokens[step] : 1;
    }
}
