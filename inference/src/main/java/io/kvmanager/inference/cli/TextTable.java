package io.kvmanager.inference.cli;

import java.util.ArrayList;
import java.util.List;

/** Columns of text: the first to the left, the others to the right, each as wide as it must be. */
final class TextTable {
    private final List<List<String>> rows = new ArrayList<>();

    TextTable(String... titles) {
        rows.add(List.of(titles));
    }

    /** Adds a row of as many cells as there are titles. */
    void row(List<String> cells) {
        if (cells.size() != rows.getFirst().size()) {
            throw new IllegalArgumentException(cells.size() + " cells; the table has "
                    + rows.getFirst().size() + " columns");
        }
        rows.add(List.copyOf(cells));
    }

    /** Prints the table, the titles in bold. */
    void print(Console console) {
        int[] widths = new int[rows.getFirst().size()];
        for (List<String> row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        }
        for (int at = 0; at < rows.size(); at++) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                String cell = rows.get(at).get(i);
                String blank = " ".repeat(widths[i] - cell.length());
                line.append(i == 0 ? cell + blank : "  " + blank + cell);
            }
            console.line(at == 0 ? console.bold(line.toString()) : line.toString());
        }
    }
}
