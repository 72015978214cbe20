package io.kvmanager.inference.model;

import java.util.Arrays;
import java.util.PriorityQueue;

/**
 * Byte-pair merging: the best neighbouring pair becomes one token, again and again, until no pair merges; the leftmost
 * one on a tie. Tokens are a linked list, candidate pairs a heap whose entries are checked when they come up, so a text
 * of n tokens takes n log n.
 */
final class PairMerging {
    /** A pair that does not merge. */
    static final long NONE = Long.MAX_VALUE;

    private static final int GONE = -1;

    /** What pairs merge to. */
    @FunctionalInterface
    interface Rule {
        /** {@link #pack} of a pair's priority and of the token it becomes, or {@link #NONE}. */
        long find(int left, int right);
    }

    private record Candidate(long packed, int at, int left, int right) implements Comparable<Candidate> {
        @Override
        public int compareTo(Candidate other) {
            int byPriority = Long.compare(packed >> 32, other.packed >> 32);
            return byPriority != 0 ? byPriority : Integer.compare(at, other.at);
        }
    }

    private final int[] ids;
    private final int[] next;
    private final int[] previous;
    private final Rule rule;
    private final PriorityQueue<Candidate> candidates = new PriorityQueue<>();

    private PairMerging(int[] ids, Rule rule) {
        this.ids = ids;
        this.rule = rule;
        next = new int[ids.length];
        previous = new int[ids.length];
        Arrays.setAll(next, i -> i + 1);
        Arrays.setAll(previous, i -> i - 1);
    }

    /** A rule's answer: the pair of the smallest priority merges first, to {@code merged}. */
    static long pack(int priority, int merged) {
        return (long) priority << 32 | merged;
    }

    /** Merges {@code ids} and returns what is left of them. */
    static int[] merge(int[] ids, Rule rule) {
        if (ids.length < 2) {
            return ids;
        }
        return new PairMerging(ids.clone(), rule).merge();
    }

    private int[] merge() {
        for (int at = 0; at < ids.length - 1; at++) {
            offer(at);
        }
        for (Candidate best = candidates.poll(); best != null; best = candidates.poll()) {
            int right = next[best.at];
            if (ids[best.at] != best.left || right >= ids.length || ids[right] != best.right) {
                continue;
            }
            ids[best.at] = (int) best.packed;
            ids[right] = GONE;
            next[best.at] = next[right];
            if (next[right] < ids.length) {
                previous[next[right]] = best.at;
            }
            offer(best.at);
            if (previous[best.at] >= 0) {
                offer(previous[best.at]);
            }
        }
        return Arrays.stream(ids).filter(id -> id != GONE).toArray();
    }

    private void offer(int at) {
        int right = next[at];
        if (right < ids.length) {
            long packed = rule.find(ids[at], ids[right]);
            if (packed != NONE) {
                candidates.add(new Candidate(packed, at, ids[at], ids[right]));
            }
        }
    }
}
