package io.kvmanager.bench.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TraceReplayTest {
    private final Trace trace = TraceFile.read(SampleTraces.conversations(), SampleTraces.BLOCK_TOKENS);

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 20, 60, 200, 10_000})
    void lruIsALinkedMap(int capacity) {
        Map<Integer, Boolean> map = new LinkedHashMap<>(16, .75f, true);
        long hits = 0;
        long hitTokens = 0;
        long tokens = 0;
        long evictions = 0;
        for (int r = 0; r < trace.requests(); r++) {
            int from = trace.firstBlock(r);
            int end = from + trace.blocks(r);
            int found = from;
            while (found < end && map.containsKey(trace.number(found))) {
                found++;
            }
            hits += found - from;
            hitTokens += Math.min(trace.inputTokens(r), (found - from) * SampleTraces.BLOCK_TOKENS);
            tokens += trace.inputTokens(r);
            for (int i = end - 1; i >= from; i--) {
                map.put(trace.number(i), true);
            }
            Iterator<Integer> oldest = map.keySet().iterator();
            for (int i = map.size(); i > capacity; i--) {
                oldest.next();
                oldest.remove();
                evictions++;
            }
        }
        ReplayRun run = TraceReplay.run(trace, "lru", capacity);
        assertEquals((double) hits / trace.references(), run.hitRatioBlocks());
        assertEquals((double) hitTokens / tokens, run.hitRatioTokens());
        assertEquals(evictions, run.evictions());
        assertTrue(run.blockReferencesPerSecond() > 0);
    }

    @Test
    void nothingIsBetterThanTheOptimum() {
        for (int capacity : new int[] {3, 17, 60, 150}) {
            double best = TraceReplay.run(trace, ReplayRun.OPTIMUM, capacity).hitRatioBlocks();
            for (String policy : TraceReplay.policies()) {
                double ratio = TraceReplay.run(trace, policy, capacity).hitRatioBlocks();
                assertTrue(ratio <= best, policy + " at " + capacity + ": " + ratio + " of " + best);
            }
        }
    }

    @Test
    void withRoomForAllEveryPolicyFindsTheSame() {
        double everything =
                TraceReplay.run(trace, ReplayRun.OPTIMUM, trace.uniqueBlocks()).hitRatioBlocks();
        for (String policy : TraceReplay.policies()) {
            ReplayRun run = TraceReplay.run(trace, policy, trace.uniqueBlocks());
            assertEquals(everything, run.hitRatioBlocks(), policy);
            assertEquals(0, run.evictions(), policy);
        }
    }

    @Test
    void anUnknownPolicyIsNamed() {
        assertThrows(IllegalArgumentException.class, () -> TraceReplay.run(trace, "mru", 1));
    }
}
