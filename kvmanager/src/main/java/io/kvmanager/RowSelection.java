package io.kvmanager;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Which rows of a prompt go on to the next layer, as ascending row indices of the present layer. Immutable. */
public final class RowSelection {
    private final int @Nullable [] rows; // null: all of them
    private final int count;
    private final int of;

    /**
     * A selection.
     *
     * @param rows indices kept, ascending
     * @param of rows there were
     */
    public RowSelection(int[] rows, int of) {
        this.rows = rows.clone();
        this.count = rows.length;
        this.of = of;
    }

    private RowSelection(int of) {
        this.rows = null;
        this.count = of;
        this.of = of;
    }

    /** All of {@code count} rows. */
    public static RowSelection all(int count) {
        return new RowSelection(count);
    }

    /** Rows that go on. */
    public int count() {
        return count;
    }

    /** Rows there were. */
    public int of() {
        return of;
    }

    /** Index, among the present layer's rows, of the {@code i}-th row that goes on. */
    public int row(int i) {
        return rows == null ? Objects.checkIndex(i, count) : rows[i];
    }

    /** All indices; a copy. */
    public int[] rows() {
        int[] copy = new int[count];
        for (int i = 0; i < count; i++) {
            copy[i] = row(i);
        }
        return copy;
    }

    /** The entries of {@code values}, one per present row, that go on. */
    public int[] select(int[] values) {
        int[] selected = new int[count];
        for (int i = 0; i < count; i++) {
            selected[i] = values[row(i)];
        }
        return selected;
    }

    /** Whether no row was dropped. */
    public boolean keepsAll() {
        return count == of;
    }
}
