package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class FrequencySketchTest {

    @Test
    void neverTooLowAndSeldomTooHigh() {
        FrequencySketch sketch = new FrequencySketch(1000);
        SplittableRandom random = new SplittableRandom(1);
        Map<Long, Integer> counts = new HashMap<>();
        for (int i = 0; i < 3000; i++) {
            long fingerprint = new SplittableRandom(random.nextInt(600)).nextLong();
            sketch.increment(fingerprint);
            counts.merge(fingerprint, 1, Integer::sum);
        }
        int exact = 0;
        for (Map.Entry<Long, Integer> entry : counts.entrySet()) {
            int expected = Math.min(15, entry.getValue());
            int estimate = sketch.estimate(entry.getKey());
            assertTrue(estimate >= expected, estimate + " for " + expected);
            exact += estimate == expected ? 1 : 0;
        }
        assertTrue(exact > counts.size() * .95, exact + " of " + counts.size() + " are exact");
    }

    @Test
    void countsAreHalvedAfterTenIncrementsABlock() {
        FrequencySketch sketch = new FrequencySketch(2);
        for (int i = 0; i < 8; i++) {
            sketch.increment(1);
        }
        assertEquals(8, sketch.estimate(1));
        for (int i = 0; i < 12; i++) {
            sketch.increment(77 + i);
        }
        assertEquals(4, sketch.estimate(1));
    }
}
