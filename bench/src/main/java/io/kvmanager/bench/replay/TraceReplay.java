package io.kvmanager.bench.replay;

import io.kvmanager.spi.PrefixCache;
import io.kvmanager.spi.ProviderSelection;
import java.util.ArrayList;
import java.util.List;

/**
 * Serves a trace from a prefix cache. A hit is a block of the contiguous prefix that is cached at arrival; the whole
 * request is inserted, its last block first in order of use; then blocks are evicted down to the capacity. Blocks of
 * answers are not inserted. The priority of a request is its turn.
 */
final class TraceReplay {
    private TraceReplay() {}

    /** Names that {@link #run} takes: every eviction policy and {@link ReplayRun#OPTIMUM}. */
    static List<String> policies() {
        List<String> policies = new ArrayList<>(ProviderSelection.prefixCaches().policies());
        policies.add(ReplayRun.OPTIMUM);
        return policies;
    }

    /** Runs the whole trace from an empty cache. */
    static ReplayRun run(Trace trace, String policy, int capacityBlocks) {
        if (policy.equals(ReplayRun.OPTIMUM)) {
            return OfflineOptimum.run(trace, capacityBlocks);
        }
        PrefixCache cache = ProviderSelection.prefixCaches().open(policy, capacityBlocks, trace.longestRequestBlocks());
        HitCount hits = new HitCount(trace);
        long start = System.nanoTime();
        for (int r = 0; r < trace.requests(); r++) {
            int cached = cache.serve(
                    trace.digests(), trace.firstBlock(r), trace.blocks(r), trace.turn(r), trace.arrivalMillis(r));
            hits.add(r, cached);
        }
        long nanos = System.nanoTime() - start;
        List<String> findings = cache.audit();
        if (!findings.isEmpty()) {
            throw new IllegalStateException(policy + " at " + capacityBlocks + " blocks: " + findings.getFirst());
        }
        return hits.run(policy, capacityBlocks, cache.evictedBlocks(), nanos);
    }
}
