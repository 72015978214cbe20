package io.kvmanager.serving;

import io.kvmanager.Admission;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvCacheException.TooManySequences;
import io.kvmanager.KvSequence;
import io.kvmanager.StepBatch;
import io.kvmanager.serving.Request.State;
import io.kvmanager.serving.StepPlan.Prompt;
import io.kvmanager.serving.StepPlan.Refusal;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.function.LongSupplier;

/**
 * Decides, step by step, which requests run. One engine thread calls {@link #nextStep}, computes what the plan says,
 * and calls {@link #finish} for what ended.
 *
 * <pre>
 *            enters                    finishes
 * outside  ---------->   running    -------------->
 * (by arrival)  <------  (batch)
 *      suspended or dropped
 * </pre>
 *
 * <p>A step:
 * <ol>
 *   <li>Begin the next token of all that run, together. While memory is short, preempt one of them, in the configured
 *       order. It is suspended, or dropped if that is known to be cheaper or host memory is short. If host memory is
 *       what the step lacks, a suspended request is dropped first.
 *   <li>If nobody was preempted, let those outside enter, by arrival, until one has to wait.
 * </ol>
 */
public final class RequestQueue implements AutoCloseable {
    /** A request that was never preempted. */
    static final long NEVER_PREEMPTED = -1;

    private final KvCache cache;
    private final LongSupplier clockNanos;
    private final WorkRates rates = new WorkRates();
    private final StepBatch batch = new StepBatch();
    private final List<Request> running = new ArrayList<>();
    private final PriorityQueue<Request> outside = new PriorityQueue<>(Comparator.comparingLong(Request::arrival));
    private final Comparator<Request> firstToGo;
    private long arrivals;
    private long departures;

    /**
     * Creates an empty queue.
     *
     * @param cache its owner closes it, after the queue
     */
    public RequestQueue(KvCache cache, PreemptionOrder order) {
        this(cache, order, System::nanoTime);
    }

    /**
     * Creates an empty queue with a clock of its own.
     *
     * @param clockNanos what moves are timed with, nanoseconds
     */
    public RequestQueue(KvCache cache, PreemptionOrder order, LongSupplier clockNanos) {
        this.cache = cache;
        this.clockNanos = clockNanos;
        Comparator<Request> newest = Comparator.comparingLong(Request::arrival).reversed();
        firstToGo = switch (order) {
            case NEWEST -> newest;
            case LOWEST_PRIORITY -> Comparator.comparingInt(Request::priority).thenComparing(newest);
            case LEAST_WORK_LOST -> Comparator.comparingDouble(this::workLost).thenComparing(newest);
        };
    }

    private double workLost(Request request) {
        KvSequence sequence = request.sequence();
        return rates.cost(sequence.deviceBytes(), sequence.length());
    }

    /**
     * Adds a request behind all others; from any thread.
     *
     * @param promptTokens tokens of its prompt, 1 or more
     * @param newTokens most tokens behind it
     * @param priority higher is more important; matters for {@link PreemptionOrder#LOWEST_PRIORITY} only
     */
    public synchronized Request submit(int promptTokens, int newTokens, int priority) {
        if (promptTokens < 1 || newTokens < 0) {
            throw new IllegalArgumentException("a request of " + promptTokens + " prompt tokens and " + newTokens
                    + " new ones; accepted: 1 or more, and 0 or more");
        }
        Request request = new Request(arrivals++, promptTokens, newTokens, priority);
        outside.add(request);
        return request;
    }

    /** Requests that are not finished and not refused. */
    public synchronized int size() {
        return running.size() + outside.size();
    }

    /** Tells how long a prompt took the engine, so that computing again can be compared with moving. */
    public synchronized void prefilled(int tokens, long nanos) {
        rates.prefilled(tokens, nanos);
    }

    /** Ends a request, wherever it stands, and gives its memory back; a step that was begun for it is dropped. */
    public synchronized void finish(Request request) {
        if (!running.remove(request) && !outside.remove(request)) {
            throw new IllegalStateException("request " + request.arrival() + " is not in the queue");
        }
        if (request.state() != State.WAITING) {
            request.sequence().close();
            departures++;
        }
        request.ends(State.FINISHED);
    }

    /** Closes the sequences of all requests. */
    @Override
    public synchronized void close() {
        List<Request> all = new ArrayList<>(running);
        all.addAll(outside);
        all.forEach(this::finish);
    }

    /**
     * Decides and begins the next step. Every step of the plan before must be committed, or its request finished.
     *
     * @throws IllegalStateException if a step is still open, or a request has all its tokens and is not finished
     */
    public synchronized StepPlan nextStep() {
        Draft draft = new Draft();
        List<Request> stepped = beginTokens(draft);
        boolean enough = draft.suspended.isEmpty() && draft.dropped.isEmpty() && stepped.size() == running.size();
        if (enough) {
            enter(draft, stepped);
        }
        return new StepPlan(draft.prompts, stepped, draft.resumed, draft.suspended, draft.dropped, draft.refused);
    }

    /** A plan in the making. */
    private static final class Draft {
        private final List<Prompt> prompts = new ArrayList<>();
        private final List<Request> resumed = new ArrayList<>();
        private final List<Request> suspended = new ArrayList<>();
        private final List<Request> dropped = new ArrayList<>();
        private final List<Refusal> refused = new ArrayList<>();
    }

    // ---- those that run ----

    /** Begins a token of all that run; returns them, or nobody if one alone finds no memory. */
    private List<Request> beginTokens(Draft draft) {
        while (true) {
            batch.clear();
            for (Request request : running) {
                requireTokensLeft(request);
                batch.token(request.sequence());
            }
            try {
                cache.begin(batch);
                return new ArrayList<>(running);
            } catch (OutOfMemory shortage) {
                if (!makeRoom(shortage, draft)) {
                    return new ArrayList<>();
                }
            }
        }
    }

    private static void requireTokensLeft(Request request) {
        if (request.sequence().length() >= request.promptTokens() + request.newTokens()) {
            throw new IllegalStateException("request " + request.arrival() + " has all its tokens; finish it");
        }
    }

    /** Takes memory from one request; false if there is none to take it from. */
    private boolean makeRoom(OutOfMemory shortage, Draft draft) {
        boolean hostIsShort = shortage.deficit().host() > 0;
        if (hostIsShort && dropSuspended(draft)) {
            return true;
        }
        if (running.size() <= 1) {
            return false;
        }
        Request victim = running.stream().min(firstToGo).orElseThrow();
        KvSequence sequence = victim.sequence();
        boolean suspends = !hostIsShort && !rates.recomputeIsCheaper(sequence.deviceBytes(), sequence.length());
        if (!suspends || !suspend(victim, draft)) {
            drop(victim, draft);
        }
        running.remove(victim); // not before: a request whose move fails stays where it is
        outside.add(victim);
        return true;
    }

    /** Moves a request to host memory; false if that is short, too. */
    private boolean suspend(Request request, Draft draft) {
        long start = clockNanos.getAsLong();
        long bytes;
        try {
            bytes = request.sequence().suspend();
        } catch (OutOfMemory shortage) {
            return false;
        }
        cache.synchronize();
        rates.moved(bytes, clockNanos.getAsLong() - start);
        request.suspended(departures);
        draft.suspended.add(request);
        return true;
    }

    /** Drops the suspended request that goes first; false if there is none. */
    private boolean dropSuspended(Draft draft) {
        Request victim = outside.stream()
                .filter(request -> request.state() == State.SUSPENDED)
                .min(firstToGo)
                .orElse(null);
        if (victim == null) {
            return false;
        }
        drop(victim, draft);
        return true;
    }

    /** Gives a request's blocks up. It enters again with all its tokens, or its own prompt if they are too many. */
    private void drop(Request request, Draft draft) {
        int tokens = request.sequence().length();
        int most = request.promptTokens() + request.newTokens();
        boolean fits = tokens >= request.promptTokens()
                && tokens <= most
                && !(cache.admit(tokens, most - tokens) instanceof Admission.Never);
        request.sequence().close();
        request.dropped(departures, fits ? tokens : request.promptTokens());
        draft.suspended.remove(request);
        draft.dropped.add(request);
    }

    // ---- those outside ----

    private void enter(Draft draft, List<Request> stepped) {
        while (!outside.isEmpty() && mayEnter(outside.element())) {
            Request first = outside.element();
            Admission answer = first.state() == State.SUSPENDED
                    ? cache.admit(first.sequence())
                    : cache.admit(first.enterTokens(), first.tokensBehindEntry());
            boolean entered = switch (answer) {
                case Admission.Admit _ ->
                    first.state() == State.SUSPENDED ? resume(first, draft, stepped) : open(first, draft);
                case Admission.Wait wait ->
                    running.isEmpty()
                            && (wait.deficit().host() > 0 || wait.sequences() > 0)
                            && dropSuspended(draft); // the first in line has no sequence, or it would lack neither
                case Admission.Never never -> refuse(first, never, draft);
            };
            if (!entered) {
                return;
            }
        }
    }

    /** Nobody who was preempted enters before another has left, unless nobody runs. */
    private boolean mayEnter(Request request) {
        return running.isEmpty() || request.preemptedAt() != departures;
    }

    private boolean resume(Request request, Draft draft, List<Request> stepped) {
        long start = clockNanos.getAsLong();
        long bytes;
        try {
            bytes = request.sequence().resume();
        } catch (OutOfMemory taken) {
            return false; // by somebody outside of this queue, since the answer
        }
        cache.synchronize();
        rates.moved(bytes, clockNanos.getAsLong() - start);
        request.resumed();
        outside.remove(request);
        running.add(request);
        draft.resumed.add(request);
        return beginResumed(request, draft, stepped);
    }

    /** Begins the token of a request that was resumed; false if that has to wait for the next step. */
    private boolean beginResumed(Request request, Draft draft, List<Request> stepped) {
        while (true) {
            try {
                request.sequence().beginToken();
                stepped.add(request);
                return true;
            } catch (OutOfMemory shortage) {
                if (running.size() > 1 || !makeRoom(shortage, draft)) {
                    return false;
                }
            }
        }
    }

    private boolean open(Request request, Draft draft) {
        KvSequence sequence;
        try {
            sequence = cache.openSequence();
        } catch (TooManySequences taken) {
            return false;
        }
        try {
            sequence.beginPrompt(request.enterTokens());
        } catch (OutOfMemory taken) {
            sequence.close();
            return false;
        }
        outside.remove(request);
        request.enters(sequence);
        running.add(request);
        draft.prompts.add(new Prompt(request, request.enterTokens()));
        return true;
    }

    private boolean refuse(Request request, Admission.Never never, Draft draft) {
        outside.remove(request);
        request.ends(State.REFUSED);
        draft.refused.add(new Refusal(request, never.reason()));
        return true;
    }
}
