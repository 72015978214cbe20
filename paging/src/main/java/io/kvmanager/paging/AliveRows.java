package io.kvmanager.paging;

import io.kvmanager.RowSelection;

/** Positions of a prompt's rows that are alive, from layer to layer. Its memory is kept for the next prompt. */
final class AliveRows {
    private int[] positions = new int[0];
    private int count;

    /** Starts with {@code tokens} rows from position {@code first} on. */
    void begin(int first, int tokens) {
        if (positions.length < tokens) {
            positions = new int[Math.max(tokens, 2 * positions.length)];
        }
        for (int i = 0; i < tokens; i++) {
            positions[i] = first + i;
        }
        count = tokens;
    }

    /** Throws unless a layer was given as many rows as are alive. */
    void require(int layer, int rows) {
        StepProtocol.requireAlive(layer, rows, count);
    }

    /** Position of each row, for the first rows that are alive; not a copy. */
    int[] positions() {
        return positions;
    }

    /** Keeps the rows that go on to the next layer. */
    void keep(RowSelection survivors) {
        count = survivors.count();
        for (int i = 0; i < count && !survivors.keepsAll(); i++) {
            positions[i] = positions[survivors.row(i)];
        }
    }
}
