package io.kvmanager.inference.cli;

import java.util.ArrayList;
import java.util.List;

/** Rows and columns for a terminal: the first column to the left, the rest to the right unless told otherwise. */
public final class TextTable {
    private static final String GAP = "  ";

    private final List<List<String>> rows = new ArrayList<>();
    private final List<Integer> leftColumns = new ArrayList<>(List.of(0));

    /** A table of so many columns, still without rows. */
    public TextTable(String... headings) {
        rows.add(List.of(headings));
    }

    /** Aligns a column to the left. */
    TextTable left(int column) {
        leftColumns.add(column);
        return this;
    }

    /** Adds a row of as many cells as there are headings. */
    TextTable row(List<String> cells) {
        if (cells.size() != rows.getFirst().size()) {
            throw new IllegalArgumentException(
                    cells.size() + " cells; the table has " + rows.getFirst().size() + " columns");
        }
        rows.add(List.copyOf(cells));
        return this;
    }

    /** Adds a row of as many cells as there are headings. */
    public TextTable row(String... cells) {
        return row(List.of(cells));
    }

    /** The lines, headings first. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int column = 0; column < row.size(); column++) {
                String cell = row.get(column);
                String padding = " ".repeat(width(column) - cell.codePointCount(0, cell.length()));
                line.append(column == 0 ? "" : GAP)
                        .append(leftColumns.contains(column) ? cell + padding : padding + cell);
            }
            lines.add(line.toString().stripTrailing());
        }
        return lines;
    }

    /** Prints the headings dimmed. */
    void print(Console console) {
        print(console, "");
    }

    /** Prints the headings dimmed, and the row that begins with {@code emphasised} in bold. */
    public void print(Console console, String emphasised) {
        List<String> lines = lines();
        console.line(console.dim(lines.getFirst()));
        for (int i = 1; i < lines.size(); i++) {
            boolean bold = rows.get(i).getFirst().equals(emphasised);
            console.line(bold ? console.bold(lines.get(i)) : lines.get(i));
        }
    }

    private int width(int column) {
        return rows.stream()
                .map(row -> row.get(column))
                .mapToInt(cell -> cell.codePointCount(0, cell.length()))
                .max()
                .orElse(0);
    }
}
