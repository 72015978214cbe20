package io.kvmanager.inference.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;

/**
 * Points with names over two axes that begin where the data asks for it; or lines through points.
 *
 * @param title what is shown
 * @param xName horizontal axis
 * @param yName vertical axis
 * @param series what is drawn
 * @param joined whether the points of a series are joined
 * @param scale of the horizontal axis
 */
public record PointChart(String title, String xName, String yName, List<Series> series, boolean joined, Scale scale)
        implements Chart {
    private static final int WIDTH = 560;
    private static final int HEIGHT = 300;
    private static final int LEFT = 58;
    private static final int RIGHT = 24;
    private static final int TOP = 18;
    private static final int BOTTOM = 46;
    private static final int TICKS = 4;

    /** How values are spread over an axis. */
    public enum Scale {
        LINEAR,
        /** Equal ratios are equally far apart; values must be above 0. */
        LOGARITHMIC;

        private double place(double value) {
            return this == LINEAR ? value : Math.log10(value);
        }

        private double value(double place) {
            return this == LINEAR ? place : Math.pow(10, place);
        }
    }

    /**
     * Points of one colour.
     *
     * @param name written beside a lone point, or in the legend
     * @param x horizontal values
     * @param y vertical values, as many
     * @param tone colour
     */
    public record Series(String name, List<Double> x, List<Double> y, Tone tone) {
        /** Refuses series without points. */
        public Series {
            x = List.copyOf(x);
            y = List.copyOf(y);
            if (x.size() != y.size() || x.isEmpty()) {
                throw new IllegalArgumentException(
                        x.size() + " and " + y.size() + " values; expected as many, 1 or more");
            }
        }
    }

    /** Refuses a chart without series. */
    public PointChart {
        series = List.copyOf(series);
        if (series.isEmpty()) {
            throw new IllegalArgumentException("no series; expected 1 or more");
        }
    }

    /** Smallest and largest value with room around them. */
    private record Range(double low, double high) {
        static Range of(List<Double> values) {
            double low = values.stream().mapToDouble(Double::doubleValue).min().orElse(0);
            double high = values.stream().mapToDouble(Double::doubleValue).max().orElse(1);
            double margin = high > low ? (high - low) * .12 : Math.max(1e-9, Math.abs(high) * .1);
            return new Range(low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin);
        }

        double share(double value) {
            return (value - low) / (high - low);
        }
    }

    @Override
    public String html() {
        List<Double> xs = new ArrayList<>();
        List<Double> ys = new ArrayList<>();
        StringJoiner words = new StringJoiner("; ");
        for (Series one : series) {
            one.x().forEach(value -> xs.add(scale.place(value)));
            ys.addAll(one.y());
            words.add(one.name() + " " + number(one.x().getLast()) + ", "
                    + number(one.y().getLast()));
        }
        Range x = Range.of(xs);
        Range y = Range.of(ys);
        StringBuilder svg = new StringBuilder(
                joined
                        ? Chart.legend(
                                series.stream().map(Series::name).toList(),
                                series.stream().map(Series::tone).toList())
                        : "");
        svg.append(Chart.open(WIDTH, HEIGHT, title, xName + " and " + yName + ": " + words));
        axes(svg, x, y);
        series.forEach(one -> draw(svg, one, x, y));
        return svg.append("</svg>\n").toString();
    }

    private void axes(StringBuilder svg, Range x, Range y) {
        for (int tick = 0; tick <= TICKS; tick++) {
            double share = (double) tick / TICKS;
            double top = top(share);
            svg.append("<line x1=\"" + LEFT + "\" y1=\"" + Chart.at(top) + "\" x2=\"" + (WIDTH - RIGHT) + "\" y2=\""
                    + Chart.at(top) + "\" class=\"axis\"/>\n");
            svg.append(Chart.text(LEFT - 8, top + 4, "quiet", "end", number(y.low() + share * (y.high() - y.low()))));
            svg.append(Chart.text(
                    left(share),
                    HEIGHT - BOTTOM + 18,
                    "quiet",
                    "middle",
                    number(scale.value(x.low() + share * (x.high() - x.low())))));
        }
        svg.append(Chart.text((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6, "quiet", "middle", xName));
        svg.append(Chart.text(LEFT, TOP - 6, "quiet", "start", yName));
    }

    private void draw(StringBuilder svg, Series one, Range x, Range y) {
        StringJoiner path = new StringJoiner(" ");
        for (int i = 0; i < one.x().size(); i++) {
            double left = left(x.share(scale.place(one.x().get(i))));
            double top = top(y.share(one.y().get(i)));
            path.add(Chart.at(left) + "," + Chart.at(top));
            if (!joined) {
                svg.append("<circle cx=\"" + Chart.at(left) + "\" cy=\"" + Chart.at(top) + "\" r=\"6\" class=\""
                        + one.tone().style() + "\"/>\n");
                boolean nearRight = left > WIDTH - 140;
                svg.append(Chart.text(
                        nearRight ? left - 11 : left + 11, top + 4.5, "", nearRight ? "end" : "start", one.name()));
            }
        }
        if (joined) {
            svg.append("<polyline points=\"" + path + "\" class=\"curve "
                    + one.tone().style() + "\"/>\n");
        }
    }

    private static double left(double share) {
        return LEFT + share * (WIDTH - LEFT - RIGHT);
    }

    private static double top(double share) {
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
    }

    private static String number(double value) {
        String digits = Math.abs(value) >= 100 ? "%.0f" : Math.abs(value) >= 10 ? "%.1f" : "%.2f";
        return String.format(Locale.ROOT, digits, value);
    }
}
