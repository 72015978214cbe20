package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.RowSelection;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class AliveRowsTest {
    private final AliveRows alive = new AliveRows();

    private void assertAlive(int... positions) {
        alive.require(0, positions.length);
        assertArrayEquals(positions, Arrays.copyOf(alive.positions(), positions.length));
    }

    @Test
    void rowsAreThinnedFromLayerToLayer() {
        alive.begin(10, 5);
        assertAlive(10, 11, 12, 13, 14);
        alive.keep(RowSelection.all(5));
        assertAlive(10, 11, 12, 13, 14);
        alive.keep(new RowSelection(new int[] {0, 2, 4}, 5));
        assertAlive(10, 12, 14);
        alive.keep(new RowSelection(new int[] {1, 2}, 3));
        assertAlive(12, 14);
        alive.begin(3, 2);
        assertAlive(3, 4);
        alive.begin(0, 7);
        assertAlive(0, 1, 2, 3, 4, 5, 6);
    }

    @Test
    void otherNumbersOfRowsAreRefused() {
        alive.begin(0, 4);
        for (int rows : new int[] {3, 5}) {
            assertEquals(
                    "layer 6 was given " + rows + " rows, 4 are alive",
                    assertThrows(IllegalArgumentException.class, () -> alive.require(6, rows))
                            .getMessage());
        }
    }

    @Test
    void memoryIsKeptForShorterPrompts() {
        alive.begin(0, 6);
        int[] memory = alive.positions();
        alive.begin(1, 6);
        assertEquals(memory, alive.positions());
    }
}
