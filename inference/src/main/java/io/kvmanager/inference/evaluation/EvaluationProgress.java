package io.kvmanager.inference.evaluation;

/** Hears how far a measurement is. */
@FunctionalInterface
public interface EvaluationProgress {

    /**
     * Called before each step.
     *
     * @param what the present step, for people
     * @param done steps finished
     * @param steps steps in all
     */
    void step(String what, int done, int steps);
}
