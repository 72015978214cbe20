package io.kvmanager.inference.cli;

import java.util.List;
import java.util.Locale;

/**
 * Shares in rows and columns, each cell the darker the larger its share.
 *
 * @param title what the shares are of
 * @param corner heading of the rows
 * @param columns headings of the columns
 * @param rows the rows
 */
record GridChart(String title, String corner, List<String> columns, List<Row> rows) implements Chart {

    /**
     * A row.
     *
     * @param name heading
     * @param shares one per column, 0..1, NaN where there is none
     * @param chosen whether it is stressed
     */
    record Row(String name, List<Double> shares, boolean chosen) {
        Row {
            shares = List.copyOf(shares);
        }
    }

    GridChart {
        columns = List.copyOf(columns);
        rows = List.copyOf(rows);
        for (Row row : rows) {
            if (row.shares().size() != columns.size()) {
                throw new IllegalArgumentException(row.name() + " has "
                        + row.shares().size() + " shares; the grid has " + columns.size() + " columns");
            }
        }
    }

    @Override
    public String html() {
        StringBuilder html = new StringBuilder("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"")
                .append(Html.escape(title))
                .append("\"><table class=\"grid\">\n<thead><tr><th scope=\"col\">")
                .append(Html.escape(corner))
                .append("</th>");
        for (String column : columns) {
            html.append("<th scope=\"col\">").append(Html.escape(column)).append("</th>");
        }
        html.append("</tr></thead>\n<tbody>\n");
        for (Row row : rows) {
            html.append(row.chosen() ? "<tr class=\"chosen\">" : "<tr>");
            html.append("<th scope=\"row\">").append(Html.escape(row.name())).append("</th>");
            row.shares().forEach(share -> html.append(cell(share)));
            html.append("</tr>\n");
        }
        return html.append("</tbody>\n</table></div>\n").toString();
    }

    private static String cell(double share) {
        if (Double.isNaN(share)) {
            return "<td>–</td>";
        }
        String shade = String.format(Locale.ROOT, "%.0f", 45 * share * share);
        return "<td style=\"--shade: " + shade + "%\">" + String.format(Locale.ROOT, "%.0f", 100 * share) + "</td>";
    }
}
