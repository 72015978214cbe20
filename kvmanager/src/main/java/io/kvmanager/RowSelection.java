package io.kvmanager;

/** Which rows of a prompt go on to the next layer, as ascending row indices of the present layer. Immutable. */
public final class RowSelection {
    private final int[] rows;
    private final int of;

    /**
     * A selection.
     *
     * @param rows indices kept, ascending
     * @param of rows there were
     */
    public RowSelection(int[] rows, int of) {
        this.rows = rows.clone();
        this.of = of;
    }

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

    /** Rows there were. */
    public int of() {
        return of;
    }

    /** Index, among the present layer's rows, of the {@code i}-th row that goes on. */
    public int row(int i) {
        return rows[i];
    }

    /** All indices; a copy. */
    public int[] rows() {
        return rows.clone();
    }

    /** The entries of {@code values}, one per present row, that go on. */
    public int[] select(int[] values) {
        int[] selected = new int[rows.length];
        for (int i = 0; i < rows.length; i++) {
            selected[i] = values[rows[i]];
        }
        return selected;
    }

    /** Whether no row was dropped. */
    public boolean keepsAll() {
        return rows.length == of;
    }
}
