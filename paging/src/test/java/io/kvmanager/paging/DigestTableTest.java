package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DigestTableTest {

    /** Home slots come from three values only, so that rows are long and wrap around the end of the table. */
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4})
    void agreesWithAMap(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int entries = 40;
        DigestTable table = new DigestTable(entries);
        Map<List<Long>, Integer> model = new HashMap<>();
        Deque<Integer> free = new ArrayDeque<>();
        for (int i = 0; i < entries; i++) {
            free.add(i);
        }
        for (int step = 0; step < 20_000; step++) {
            long[] digest = digest(random);
            List<Long> key = List.of(digest[1], digest[2], digest[3], digest[4]);
            Integer expected = model.get(key);
            assertEquals(expected == null ? DigestTable.ABSENT : expected, table.find(digest, 1));
            if (expected != null && random.nextInt(2) == 0) {
                table.remove(expected);
                model.remove(key);
                free.add(expected);
            } else if (expected == null && !free.isEmpty()) {
                int entry = free.remove();
                table.insert(entry, digest, 1);
                model.put(key, entry);
                assertEquals(digest[1], table.fingerprint(entry));
            }
            if (step % 100 == 0) {
                List<Integer> held = new ArrayList<>(model.values());
                held.forEach(entry -> assertTrue(table.holds(entry)));
            }
        }
    }

    /** A digest at offset 1; digests of one home differ in one long only. */
    private static long[] digest(SplittableRandom random) {
        long[] digest = new long[5];
        digest[1] = new long[] {0, 1, 127}[random.nextInt(3)];
        digest[2 + random.nextInt(3)] = random.nextInt(12);
        return digest;
    }

    @Test
    void removingTwiceIsAnError() {
        DigestTable table = new DigestTable(2);
        table.insert(0, new long[4], 0);
        table.remove(0);
        assertThrows(IllegalStateException.class, () -> table.remove(0));
    }
}
