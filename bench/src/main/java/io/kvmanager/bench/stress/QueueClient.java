package io.kvmanager.bench.stress;

import io.kvmanager.KvCache;
import io.kvmanager.bench.stress.StressTally.Event;
import io.kvmanager.serving.PreemptionOrder;
import io.kvmanager.serving.Request;
import io.kvmanager.serving.RequestQueue;
import io.kvmanager.serving.StepPlan;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** Requests that a {@link RequestQueue} serves, with a clock that counts its own readings. */
final class QueueClient {
    private static final int MOST_REQUESTS = 12;
    private static final long TICK_NANOS = 1000;

    private final StressSetting setting;
    private final StressTokens tokens;
    private final StressEngine engine;
    private final StressTally tally;
    private final SplittableRandom random;
    private final RequestQueue queue;
    private final Map<Request, StressTokens.Drawn> drawn = new LinkedHashMap<>();
    private final Map<Request, StressSequence> sequences = new LinkedHashMap<>();
    private long now;

    QueueClient(
            KvCache cache,
            StressSetting setting,
            StressTokens tokens,
            StressEngine engine,
            StressTally tally,
            SplittableRandom random) {
        this.setting = setting;
        this.tokens = tokens;
        this.engine = engine;
        this.tally = tally;
        this.random = random;
        PreemptionOrder[] orders = PreemptionOrder.values();
        queue = new RequestQueue(cache, orders[random.nextInt(orders.length)], () -> now += TICK_NANOS);
    }

    int size() {
        return queue.size();
    }

    int openSequences() {
        return sequences.size();
    }

    private void submit() {
        int most = setting.config().maxSequenceTokens();
        int prompt = 1 + random.nextInt(1 + random.nextInt(most));
        int behind = random.nextInt(16) == 0 ? most : random.nextInt(most - prompt + 1);
        drawn.put(queue.submit(prompt, behind, random.nextInt(3)), tokens.draw(false));
    }

    /** Submits a request now and then. */
    void submitSometimes() {
        if (queue.size() < MOST_REQUESTS && random.nextInt(3) == 0) {
            submit();
        }
    }

    /** One step of the queue; false if there is nothing to compute, though there are requests. */
    boolean step() {
        if (queue.size() == 0) {
            return true;
        }
        StepPlan plan = queue.nextStep();
        count(plan);
        List<Request> stepped = new ArrayList<>();
        for (StepPlan.Prompt prompt : plan.prompts()) {
            StressTokens.Drawn contents = contents(prompt.request());
            StressSequence s = contents.sequence(prompt.request().sequence(), layers());
            sequences.put(prompt.request(), s);
            s.begun(prompt.tokens(), true, 0);
            stepped.add(prompt.request());
        }
        for (Request request : plan.tokens()) {
            sequence(request).begun(1, false, 0);
            stepped.add(request);
        }
        for (Request request : stepped) {
            StressSequence s = sequence(request);
            boolean prompt = s.prompt;
            engine.complete(s);
            if (prompt) {
                queue.prefilled(s.length, s.length * TICK_NANOS);
            }
            if (s.length >= request.promptTokens() + request.newTokens() || random.nextInt(24) == 0) {
                end(request);
                tally.event(Event.FINISHED);
            }
        }
        return !plan.isEmpty() || !plan.refused().isEmpty() || !plan.dropped().isEmpty();
    }

    private void count(StepPlan plan) {
        tally.events(Event.PREEMPTION, plan.suspended().size() + plan.dropped().size());
        tally.events(Event.SUSPENSION, plan.suspended().size());
        tally.events(Event.RESUMPTION, plan.resumed().size());
        tally.events(Event.DROP, plan.dropped().size());
        tally.events(Event.REFUSED, plan.refused().size());
        plan.dropped().forEach(sequences::remove);
        plan.refused().forEach(refusal -> drawn.remove(refusal.request()));
    }

    private int layers() {
        return setting.config().geometry().layers();
    }

    private StressTokens.Drawn contents(Request request) {
        StressTokens.Drawn known = drawn.get(request);
        if (known == null) {
            throw new Violation("request " + request.arrival() + " enters, and was not submitted or has ended");
        }
        return known;
    }

    private StressSequence sequence(Request request) {
        StressSequence known = sequences.get(request);
        if (known == null) {
            throw new Violation("request " + request.arrival() + " is stepped, and has not entered");
        }
        return known;
    }

    private void end(Request request) {
        queue.finish(request);
        sequences.remove(request);
        drawn.remove(request);
    }

    /** Behind a failure of the device: ends all that ran, as their steps may be half done. */
    void abandon() {
        for (Request request : List.copyOf(drawn.keySet())) {
            if (request.state() == Request.State.RUNNING) {
                end(request);
            }
        }
        // A request that was dropped in the failing step is waiting; the plan that says so is lost.
        sequences.keySet().removeIf(request -> request.state() != Request.State.SUSPENDED);
    }
}
