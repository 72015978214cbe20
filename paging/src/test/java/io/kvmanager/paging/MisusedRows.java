package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvSequence;
import java.lang.foreign.MemorySegment;

/** Layers out of order, wrong numbers of rows and short buffers: refused, and the step can go on. */
final class MisusedRows {
    private MisusedRows() {}

    /** Runs a prompt of 3 rows and a token of a sequence without tokens, each call refused first where it is wrong. */
    static void requireRefused(KvSequence sequence, CacheGeometry geometry) {
        MemorySegment rows = MemorySegment.ofArray(new float[4 * geometry.queryRowElements()]);
        MemorySegment few = MemorySegment.ofArray(new float[3 * geometry.queryRowElements() - 1]);
        MemorySegment less = MemorySegment.ofArray(new float[geometry.queryRowElements() - 1]);
        sequence.beginPrompt(3);
        for (int layer = 0; layer < geometry.layers(); layer++) {
            int now = layer;
            assertThrows(IllegalStateException.class, () -> sequence.attendPrompt(now + 1, 3, rows, rows, rows, rows));
            assertThrows(IllegalStateException.class, () -> sequence.attend(now, rows, rows, rows, rows));
            assertEquals(
                    "layer " + layer + " was given 4 rows, 3 are alive",
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> sequence.attendPrompt(now, 4, rows, rows, rows, rows))
                            .getMessage());
            assertThrows(IllegalArgumentException.class, () -> sequence.attendPrompt(now, 3, few, rows, rows, rows));
            assertThrows(IllegalArgumentException.class, () -> sequence.attendPrompt(now, 3, rows, rows, rows, few));
            assertEquals(
                    3, sequence.attendPrompt(layer, 3, rows, rows, rows, rows).count());
        }
        sequence.commit();
        sequence.beginToken();
        for (int layer = 0; layer < geometry.layers(); layer++) {
            int now = layer;
            assertThrows(IllegalStateException.class, () -> sequence.attend(now + 1, rows, rows, rows, rows));
            assertThrows(IllegalArgumentException.class, () -> sequence.attend(now, less, rows, rows, rows));
            sequence.attend(layer, rows, rows, rows, rows);
        }
        sequence.commit();
        assertEquals(4, sequence.length());
    }
}
