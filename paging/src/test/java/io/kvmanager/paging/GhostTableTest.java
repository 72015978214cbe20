package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class GhostTableTest {
    /** Many more than it gathers before it places them, and none looked for in between. */
    @Test
    void whatWasPutWithoutALookIsFound() {
        int count = 1000;
        GhostTable table = new GhostTable(16 * count);
        for (int i = 0; i < count; i++) {
            table.put(fingerprint(i), i + 1);
        }
        for (int i = 0; i < count; i++) {
            assertEquals(i + 1, table.find(fingerprint(i)), "fingerprint " + i);
        }
        assertEquals(ReturnTimes.NO_RECORD, table.find(fingerprint(count)));
    }

    private static long fingerprint(int i) {
        return (i + 1) * 0x9e3779b97f4a7c15L;
    }
}
