package io.kvmanager.inference.cli;

import io.kvmanager.inference.cli.Chart.Tone;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;

/**
 * Lying bars, one per row, each of one or more parts end to end.
 *
 * @param title what is measured
 * @param parts names of the parts, in the order of a bar; a legend is drawn for two or more
 * @param tones colours of the parts
 * @param bars the rows
 * @param longest value at the right end
 * @param mark value where a dashed line is drawn, or NaN
 */
record BarChart(String title, List<String> parts, List<Tone> tones, List<Bar> bars, double longest, double mark)
        implements Chart {
    private static final int HEIGHT = 26;
    private static final int THICK = 18;

    /**
     * A bar.
     *
     * @param name row heading
     * @param values lengths of its parts
     * @param label what is written behind it
     * @param chosen whether it is stressed
     */
    record Bar(String name, List<Double> values, String label, boolean chosen) {
        Bar {
            values = List.copyOf(values);
        }
    }

    BarChart {
        parts = List.copyOf(parts);
        tones = List.copyOf(tones);
        bars = List.copyOf(bars);
        if (parts.size() != tones.size() || !(longest > 0)) {
            throw new IllegalArgumentException(parts.size() + " parts, " + tones.size() + " tones, longest " + longest
                    + "; expected as many, above 0");
        }
    }

    @Override
    public String html() {
        StringJoiner words = new StringJoiner("; ");
        bars.forEach(bar -> words.add(bar.name() + " " + bar.label()));
        StringBuilder html = new StringBuilder(parts.size() > 1 ? Chart.legend(parts, tones) : "");
        html.append("<div class=\"bars\" role=\"img\" aria-label=\"");
        html.append(Html.escape(title + ": " + words)).append("\">\n");
        bars.forEach(bar -> html.append(row(bar)));
        return html.append("</div>\n").toString();
    }

    /** A row's texts are HTML and only the bar is SVG, in shares of its width: the letters keep their size. */
    private String row(Bar bar) {
        boolean faded = parts.size() == 1 && !bar.chosen() && tones.getFirst() == Tone.MAIN;
        StringBuilder svg = new StringBuilder("<svg height=\"" + HEIGHT + "\" aria-hidden=\"true\">");
        svg.append(part(0, 1, "track"));
        double from = 0;
        for (int i = 0; i < bar.values().size(); i++) {
            double share = Math.clamp(bar.values().get(i) / longest, 0, 1 - from);
            svg.append(part(from, share, faded ? "rest" : tones.get(i).style()));
            from += share;
        }
        if (!Double.isNaN(mark)) {
            String x = percent(Math.min(mark / longest, 0.998));
            svg.append("<line x1=\"" + x + "\" y1=\"0\" x2=\"" + x + "\" y2=\"100%\" class=\"mark\"/>");
        }
        return "<div class=\"bar" + (bar.chosen() ? " chosen" : "") + "\"><span>" + Html.escape(bar.name()) + "</span>"
                + svg.append("</svg>") + "<span>" + Html.escape(bar.label()) + "</span></div>\n";
    }

    private static String part(double from, double share, String style) {
        return "<rect x=\"" + percent(from) + "\" y=\"4\" width=\"" + percent(share) + "\" height=\"" + THICK
                + "\" class=\"" + style + "\"/>";
    }

    private static String percent(double share) {
        return String.format(Locale.ROOT, "%.2f%%", 100 * share);
    }
}
