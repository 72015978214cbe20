package io.kvmanager;

/**
 * Which rows of a prompt go on to the next layer, as ascending row indices of the present layer.
 *
 * @param rows indices kept, ascending
 * @param of rows there were
 */
public record RowSelection(int[] rows, int of) {

    /** All of {@code count} rows. */
    public static RowSelection all(int count) {
        int[] rows = new int[count];
        for (int i = 0; i < count; i++) {
            rows[i] = i;
        }
        return new RowSelection(rows, count);
    }

    /** Rows that go on. */
    public int count() {
        return rows.length;
    }

    /** Whether no row was dropped. */
    public boolean keepsAll() {
        return rows.length == of;
    }
}
