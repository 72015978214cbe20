package io.kvmanager.serving;

/**
 * What it costs to take a sequence's memory away and give it back: moving its blocks to host memory and back, or
 * computing them again. Both rates are measured and forget slowly; both costs are taken to be proportional, so
 * recomputing a long prompt is estimated too low.
 */
final class WorkRates {
    private static final double KEPT = .9;

    private double movedBytes;
    private double moveNanos;
    private double prefilledTokens;
    private double prefillNanos;

    /** Books a move in one direction. */
    void moved(long bytes, long nanos) {
        if (bytes > 0) {
            movedBytes = KEPT * movedBytes + bytes;
            moveNanos = KEPT * moveNanos + nanos;
        }
    }

    /** Books a prompt. */
    void prefilled(long tokens, long nanos) {
        prefilledTokens = KEPT * prefilledTokens + tokens;
        prefillNanos = KEPT * prefillNanos + nanos;
    }

    /** Whether both rates have been measured. */
    boolean known() {
        return movedBytes > 0 && prefilledTokens > 0;
    }

    /** Nanoseconds to move {@code bytes} away and back. */
    double moveNanos(long bytes) {
        return 2 * bytes * moveNanos / movedBytes;
    }

    /** Nanoseconds to compute {@code tokens} again. */
    double recomputeNanos(int tokens) {
        return tokens * prefillNanos / prefilledTokens;
    }

    /** Whether computing {@code tokens} again is known to be cheaper than moving their {@code bytes}. */
    boolean recomputeIsCheaper(long bytes, int tokens) {
        return known() && recomputeNanos(tokens) < moveNanos(bytes);
    }

    /** The cheaper of the two, nanoseconds; only the order among sequences means anything while nothing is known. */
    double cost(long bytes, int tokens) {
        return known() ? Math.min(moveNanos(bytes), recomputeNanos(tokens)) : bytes;
    }
}
