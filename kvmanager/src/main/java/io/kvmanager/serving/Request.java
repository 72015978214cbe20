package io.kvmanager.serving;

import io.kvmanager.KvSequence;
import org.jspecify.annotations.Nullable;

/** One request in a {@link RequestQueue}: how long it is, how important, and where it stands. */
public final class Request {
    /** Where a request stands. */
    public enum State {
        /** Has no sequence: not entered yet, or dropped. */
        WAITING,
        /** Its sequence holds device memory and is stepped. */
        RUNNING,
        /** Its sequence is in host memory. */
        SUSPENDED,
        /** Ended by the engine. */
        FINISHED,
        /** Does not fit an empty cache. */
        REFUSED
    }

    private final long arrival;
    private final int promptTokens;
    private final int newTokens;
    private final int priority;
    private int enterTokens;
    private long preemptedAt = RequestQueue.NEVER_PREEMPTED;
    private volatile State state = State.WAITING;
    private volatile @Nullable KvSequence sequence;

    Request(long arrival, int promptTokens, int newTokens, int priority) {
        this.arrival = arrival;
        this.promptTokens = promptTokens;
        this.newTokens = newTokens;
        this.priority = priority;
        this.enterTokens = promptTokens;
    }

    /** Its place in the order of arrival, from 0. */
    public long arrival() {
        return arrival;
    }

    public int promptTokens() {
        return promptTokens;
    }

    /** Most tokens behind the prompt. */
    public int newTokens() {
        return newTokens;
    }

    /** Higher is more important. */
    public int priority() {
        return priority;
    }

    public State state() {
        return state;
    }

    /**
     * Its sequence.
     *
     * @throws IllegalStateException if it has none: it is waiting, finished or refused
     */
    public KvSequence sequence() {
        KvSequence open = sequence;
        if (open == null) {
            throw new IllegalStateException("request " + arrival + " is " + state + " and has no sequence");
        }
        return open;
    }

    /** Tokens of the prompt that it enters with: its own, or what had been computed when it was dropped. */
    int enterTokens() {
        return enterTokens;
    }

    /** Most tokens behind {@link #enterTokens}. */
    int tokensBehindEntry() {
        return promptTokens + newTokens - enterTokens;
    }

    /** Departures that had been counted when it was last preempted. */
    long preemptedAt() {
        return preemptedAt;
    }

    void enters(KvSequence opened) {
        sequence = opened;
        state = State.RUNNING;
    }

    void suspended(long departures) {
        preemptedAt = departures;
        state = State.SUSPENDED;
    }

    void resumed() {
        state = State.RUNNING;
    }

    void dropped(long departures, int tokens) {
        preemptedAt = departures;
        enterTokens = tokens;
        sequence = null;
        state = State.WAITING;
    }

    /** Ends it as {@link State#FINISHED} or {@link State#REFUSED}. */
    void ends(State end) {
        sequence = null;
        state = end;
    }
}
