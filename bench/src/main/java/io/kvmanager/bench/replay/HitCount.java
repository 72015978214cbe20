package io.kvmanager.bench.replay;

/** Adds up a replay's hits. */
final class HitCount {
    private final Trace trace;
    private long inputTokens;
    private long hitBlocks;
    private long hitTokens;

    HitCount(Trace trace) {
        this.trace = trace;
    }

    /** Counts one request; a partial last block counts as the tokens it has. */
    void add(int request, int hits) {
        int tokens = trace.inputTokens(request);
        inputTokens += tokens;
        hitBlocks += hits;
        hitTokens += Math.min(tokens, (long) hits * trace.blockTokens());
    }

    ReplayRun run(String policy, int capacityBlocks, long evictions, long nanos) {
        return new ReplayRun(
                policy,
                capacityBlocks,
                (double) hitBlocks / trace.references(),
                (double) hitTokens / inputTokens,
                evictions,
                trace.references() / (Math.max(1, nanos) * 1e-9));
    }
}
