package io.kvmanager.inference.evaluation;

/**
 * A prompt in which a fact is planted, and which ends in a question about it.
 *
 * @param kind of the fact: code, place or password
 * @param distance tokens from the end of the fact to the end of the question
 * @param ids the prompt
 * @param answerIds the only right continuation
 */
public record RecallQuestion(String kind, int distance, int[] ids, int[] answerIds) {

    public RecallQuestion {
        if (ids.length < 2 || answerIds.length < 1) {
            throw new IllegalArgumentException("a recall question has " + ids.length + " prompt and " + answerIds.length
                    + " answer tokens; accepted: 2 and 1 or more");
        }
    }

    /** Tokens of prompt and answer. */
    public int tokens() {
        return ids.length + answerIds.length;
    }
}
