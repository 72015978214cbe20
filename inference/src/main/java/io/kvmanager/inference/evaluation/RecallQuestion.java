package io.kvmanager.inference.evaluation;

/** A prompt in which a fact is planted, and which ends in a question about it. Immutable. */
public final class RecallQuestion {
    private final String kind;
    private final int distance;
    private final int[] ids;
    private final int[] answerIds;

    /**
     * A question.
     *
     * @param kind of the fact: code, place or password
     * @param distance tokens from the end of the fact to the end of the question
     * @param ids the prompt, two tokens at least
     * @param answerIds the only right continuation, one token at least
     */
    public RecallQuestion(String kind, int distance, int[] ids, int[] answerIds) {
        if (ids.length < 2 || answerIds.length < 1) {
            throw new IllegalArgumentException("a recall question has " + ids.length + " prompt and " + answerIds.length
                    + " answer tokens; accepted: 2 and 1 or more");
        }
        this.kind = kind;
        this.distance = distance;
        this.ids = ids.clone();
        this.answerIds = answerIds.clone();
    }

    /** Kind of the fact. */
    public String kind() {
        return kind;
    }

    /** Tokens from the end of the fact to the end of the question. */
    public int distance() {
        return distance;
    }

    /** Where in the prompt the fact ends, 0 at its beginning, 1 at its end. */
    public double depth() {
        return Math.max(0, 1 - (double) distance / ids.length);
    }

    /** The prompt; a copy. */
    public int[] ids() {
        return ids.clone();
    }

    /** The only right continuation; a copy. */
    public int[] answerIds() {
        return answerIds.clone();
    }

    /** Tokens of the prompt. */
    public int promptTokens() {
        return ids.length;
    }

    /** Tokens of prompt and answer. */
    public int tokens() {
        return ids.length + answerIds.length;
    }
}
