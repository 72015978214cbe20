package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class ReturnTimesTest {

    @Test
    void bucketsAndTheirStartsAgree() {
        for (int bucket = 0; bucket < 79; bucket++) {
            assertEquals(bucket, ReturnTimes.bucket(ReturnTimes.start(bucket)));
            assertEquals(bucket, ReturnTimes.bucket(ReturnTimes.start(bucket + 1) - 1));
        }
        assertEquals(0, ReturnTimes.bucket(-5), "a clock that was put back");
        assertEquals(79, ReturnTimes.bucket(Long.MAX_VALUE));
    }

    /** Class 0: half of the blocks return after 10 s. Class 1: none does. */
    private static ReturnTimes learned() {
        ReturnTimes times = new ReturnTimes(2);
        for (int i = 0; i < 3000; i++) {
            long now = i * 1000L;
            int some = times.add(0, 0, 100, now);
            times.add(1, 0, 100, now);
            if (i % 2 == 0) {
                times.returned(some, 100, now + 10_000);
            }
            times.learnIfDue(now);
        }
        return times;
    }

    @Test
    void worthIsHitsPerTimeWaited() {
        ReturnTimes times = learned();
        double atFirst = times.worth(0, 0);
        assertEquals(.5 / 10_000, atFirst, .2 * .5 / 10_000, "as exact as a bucket is wide");
        assertTrue(times.worth(0, 8_000) > 2 * atFirst, "it grows while the return comes nearer");
        assertTrue(times.worth(0, 20_000) < .1 * atFirst, "and is gone when nothing came");
        assertTrue(times.worth(1, 0) < .1 * atFirst, "the other class never returns");
    }

    @Test
    void nothingIsWorthAnythingAtFirst() {
        assertEquals(0, new ReturnTimes(1).worth(0, 1000));
    }

    @Test
    void theNewestRecordsAreKept() {
        ReturnTimes times = new ReturnTimes(1);
        int first = times.add(0, 7, 1, 0);
        assertTrue(times.keeps(first));
        assertEquals(7, times.turn(first));
        assertFalse(times.keeps(ReturnTimes.NO_RECORD));
        for (int i = 0; i < 20_000; i++) {
            times.add(0, 0, 1, i);
        }
        assertFalse(times.keeps(first));
    }
}
