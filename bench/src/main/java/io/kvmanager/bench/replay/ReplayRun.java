package io.kvmanager.bench.replay;

/**
 * One policy at one capacity.
 *
 * @param policy name of the eviction policy, or {@link #OPTIMUM}
 * @param capacityBlocks blocks that stay cached
 * @param hitRatioBlocks hits per block of the trace, 0..1
 * @param hitRatioTokens tokens of hits per token of the trace, 0..1
 * @param evictions blocks evicted
 * @param blockReferencesPerSecond blocks of the trace per second, hashing not included
 */
record ReplayRun(
        String policy,
        int capacityBlocks,
        double hitRatioBlocks,
        double hitRatioTokens,
        long evictions,
        double blockReferencesPerSecond) {
    /** Not a policy: what could be reached with the future known. */
    static final String OPTIMUM = "optimum";
}
