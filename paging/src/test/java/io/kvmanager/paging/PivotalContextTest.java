package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Choices against sorting. */
class PivotalContextTest {
    private static final long SEED = 41;
    private static final int MOST = 40;

    /** Few different scores, so that there are ties. */
    private static float[] scores(SplittableRandom random) {
        int values = 1 + random.nextInt(30);
        float[] scores = new float[MOST];
        for (int i = 0; i < MOST; i++) {
            scores[i] = random.nextInt(values) - values / 2f;
        }
        return scores;
    }

    @Test
    void choosesSinksThenTheBestAndOfEqualOnesTheOldest() {
        SplittableRandom random = new SplittableRandom(SEED);
        PivotalContext context = new PivotalContext(MOST);
        for (int round = 0; round < 400; round++) {
            float[] raw = scores(random);
            int count = 1 + random.nextInt(MOST);
            int keep = random.nextInt(count + 1);
            int sinks = random.nextInt(5);
            int reach = random.nextInt(4);
            int first = random.nextInt(100);
            int[] chosen = new int[MOST + 3];
            Arrays.fill(chosen, -1);
            int end = context.choose(raw, count, keep, sinks, 2 * reach + 1, first, chosen, 3);
            int[] expected = IntStream.range(0, count)
                    .boxed()
                    .sorted(Comparator.comparingDouble((Integer slot) ->
                                    slot < sinks ? Double.NEGATIVE_INFINITY : -pooled(raw, count, slot, reach))
                            .thenComparing(slot -> slot))
                    .limit(keep)
                    .mapToInt(slot -> first + slot)
                    .sorted()
                    .toArray();
            assertEquals(3 + keep, end, "seed " + SEED + " round " + round);
            assertArrayEquals(expected, Arrays.copyOfRange(chosen, 3, end), "seed " + SEED + " round " + round);
            assertEquals(-1, chosen[2]);
            assertEquals(-1, end == chosen.length ? -1 : chosen[end]);
        }
    }

    private static double pooled(float[] raw, int count, int slot, int reach) {
        double most = Double.NEGATIVE_INFINITY;
        for (int near = slot - reach; near <= slot + reach; near++) {
            most = near >= 0 && near < count ? Math.max(most, raw[near]) : most;
        }
        return most;
    }

    @Test
    void theNthLargestIsThatOfTheSorted() {
        SplittableRandom random = new SplittableRandom(SEED + 1);
        for (int round = 0; round < 400; round++) {
            float[] values = scores(random);
            int count = 1 + random.nextInt(MOST);
            float[] sorted = Arrays.copyOf(values, count);
            Arrays.sort(sorted);
            int rank = 1 + random.nextInt(count);
            assertEquals(sorted[count - rank], PivotalContext.largest(values, count, rank), "round " + round);
        }
    }
}
