package io.kvmanager.serving;

import java.util.List;

/**
 * What an engine computes next, and what was done to make it possible.
 *
 * @param prompts requests that enter; their prompts are begun
 * @param tokens requests whose next token is begun
 * @param resumed requests whose blocks are back in device memory
 * @param suspended requests whose blocks went to host memory
 * @param dropped requests whose blocks were given up; they will enter again
 * @param refused requests that do not fit an empty cache
 */
public record StepPlan(
        List<Prompt> prompts,
        List<Request> tokens,
        List<Request> resumed,
        List<Request> suspended,
        List<Request> dropped,
        List<Refusal> refused) {

    /**
     * A prompt to compute.
     *
     * @param request whose
     * @param tokens how many of the request's leading tokens; more than its own prompt when it was dropped before
     */
    public record Prompt(Request request, int tokens) {}

    /**
     * A request that is refused.
     *
     * @param request which
     * @param reason what it exceeds, with the setting to raise
     */
    public record Refusal(Request request, String reason) {}

    public StepPlan {
        prompts = List.copyOf(prompts);
        tokens = List.copyOf(tokens);
        resumed = List.copyOf(resumed);
        suspended = List.copyOf(suspended);
        dropped = List.copyOf(dropped);
        refused = List.copyOf(refused);
    }

    /** Whether there is nothing to compute: no requests, or memory is held by others than the queue's requests. */
    public boolean isEmpty() {
        return prompts.isEmpty() && tokens.isEmpty();
    }
}
