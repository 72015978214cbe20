package io.kvmanager.bench.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OfflineOptimumTest {

    /** Every set of blocks that could be kept after every request is tried. */
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void noChoiceIsBetter(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        Trace.Builder builder = new Trace.Builder(1);
        for (int r = 0; r < 12; r++) {
            long[] ids = new long[1 + random.nextInt(3)];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = random.nextInt(2);
            }
            builder.add(r, ids.length, ids);
        }
        Trace trace = builder.build("random");
        for (int capacity = 1; capacity <= 6; capacity++) {
            ReplayRun run = OfflineOptimum.run(trace, capacity);
            assertEquals(
                    best(trace, capacity),
                    Math.round(run.hitRatioBlocks() * trace.references()),
                    "seed " + seed + ", capacity " + capacity);
        }
    }

    private static long best(Trace trace, int capacity) {
        Map<Integer, Integer> hitsByKept = new HashMap<>(Map.of(0, 0));
        for (int r = 0; r < trace.requests(); r++) {
            Map<Integer, Integer> next = new HashMap<>();
            for (Map.Entry<Integer, Integer> state : hitsByKept.entrySet()) {
                int present = state.getKey();
                int hits = 0;
                while (hits < trace.blocks(r) && (present & bit(trace, r, hits)) != 0) {
                    hits++;
                }
                for (int i = 0; i < trace.blocks(r); i++) {
                    present |= bit(trace, r, i);
                }
                int total = state.getValue() + hits;
                for (int kept = present; ; kept = (kept - 1) & present) {
                    if (Integer.bitCount(kept) <= capacity) {
                        next.merge(kept, total, Math::max);
                    }
                    if (kept == 0) {
                        break;
                    }
                }
            }
            hitsByKept = next;
        }
        return hitsByKept.values().stream().mapToInt(hits -> hits).max().orElseThrow();
    }

    private static int bit(Trace trace, int request, int block) {
        return 1 << trace.number(trace.firstBlock(request) + block);
    }
}
