package io.kvmanager.bench.replay;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.TreeMap;

/**
 * Puts requests without prefix ids together to conversations: a model of sharing, not a measurement of it.
 *
 * <p>A request goes on from an earlier one if its context is longer than that one's context and answer together by 1 to
 * {@value #MOST_NEW_TOKENS} tokens, and if it comes at least {@value #LEAST_PAUSE_MILLIS} ms after the answer could be
 * done ({@value #MILLIS_PER_TOKEN} ms a token) and at most {@value #LONGEST_PAUSE_MILLIS} ms after the earlier request.
 * Of several, the longest is taken, among equals the oldest; each is gone on from once. It shares the full blocks of
 * the earlier context.
 */
final class Conversations {
    private static final int MOST_NEW_TOKENS = 400;
    private static final long LEAST_PAUSE_MILLIS = 5_000;
    private static final long MILLIS_PER_TOKEN = 30;
    private static final long LONGEST_PAUSE_MILLIS = 1_800_000;

    private final int blockTokens;
    private final Trace.Builder trace;
    private final TreeMap<Integer, Deque<Turn>> byLength = new TreeMap<>();
    private long nextId;

    /** A request that may be gone on from. */
    private static final class Turn {
        private final long arrivalMillis;
        private final int contextTokens;
        private final int answerTokens;
        private final long[] ids; // of its blocks, the last one partial perhaps

        Turn(long arrivalMillis, int contextTokens, int answerTokens, long[] ids) {
            this.arrivalMillis = arrivalMillis;
            this.contextTokens = contextTokens;
            this.answerTokens = answerTokens;
            this.ids = ids;
        }

        boolean isOlderThan(long millis, long arrival) {
            return arrival - arrivalMillis > millis;
        }

        boolean isAnswered(long arrival) {
            return arrival >= arrivalMillis + answerTokens * MILLIS_PER_TOKEN + LEAST_PAUSE_MILLIS;
        }
    }

    Conversations(int blockTokens, Trace.Builder trace) {
        this.blockTokens = blockTokens;
        this.trace = trace;
    }

    /** Adds the next request in order of arrival. */
    void add(long arrivalMillis, int contextTokens, int answerTokens) {
        long[] ids = new long[Math.ceilDiv(contextTokens, blockTokens)];
        int shared = share(arrivalMillis, contextTokens, ids);
        for (int i = shared; i < ids.length; i++) {
            ids[i] = nextId++;
        }
        trace.add(arrivalMillis, contextTokens, ids);
        byLength.computeIfAbsent(contextTokens + answerTokens, length -> new ArrayDeque<>())
                .add(new Turn(arrivalMillis, contextTokens, answerTokens, ids));
    }

    /** Copies the ids of the blocks that are shared, and returns how many. */
    private int share(long arrivalMillis, int contextTokens, long[] ids) {
        Map<Integer, Deque<Turn>> candidates = byLength.subMap(
                        contextTokens - MOST_NEW_TOKENS, true, contextTokens, false)
                .descendingMap();
        for (Deque<Turn> turns : candidates.values()) {
            while (!turns.isEmpty() && turns.peek().isOlderThan(LONGEST_PAUSE_MILLIS, arrivalMillis)) {
                turns.remove();
            }
            for (Turn turn : turns) {
                if (turn.isAnswered(arrivalMillis)) {
                    turns.remove(turn);
                    int shared = turn.contextTokens / blockTokens;
                    System.arraycopy(turn.ids, 0, ids, 0, shared);
                    return shared;
                }
            }
        }
        return 0;
    }
}
