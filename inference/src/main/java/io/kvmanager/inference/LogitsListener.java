package io.kvmanager.inference;

/** Sees the logits of every scored step. */
@FunctionalInterface
public interface LogitsListener {

    /**
     * Called before token {@code step} is scored.
     *
     * @param step index of the scored token, from 0
     * @param logits {@code [vocabulary]}, overwritten by the next step: copy what is needed
     */
    void logits(int step, float[] logits);
}
