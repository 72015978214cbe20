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
    /** How values are spread over an axis. */
    public enum Scale {
        LINEAR,
        /** Equal ratios are equally far apart; values must be above 0. */
        LOGARITHMIC;

        double place(double value) {
            return this == LINEAR ? value : Math.log10(value);
        }

        double value(double place) {
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

    @Override
    public String html() {
        List<Double> xs = new ArrayList<>();
        List<Double> ys = new ArrayList<>();
        StringJoiner words = new StringJoiner("; ");
        for (Series one : series) {
            xs.addAll(one.x());
            ys.addAll(one.y());
            words.add(one.name() + " " + number(one.x().getLast()) + ", "
                    + number(one.y().getLast()));
        }
        Axes axes = new Axes(xs, scale, ys, Scale.LINEAR);
        StringBuilder svg = new StringBuilder(
                joined
                        ? Chart.legend(
                                series.stream().map(Series::name).toList(),
                                series.stream().map(Series::tone).toList())
                        : "");
        svg.append(Chart.open(Axes.WIDTH, Axes.HEIGHT, title, xName + " and " + yName + ": " + words));
        svg.append(axes.svg(xName, yName));
        series.forEach(one -> draw(svg, one, axes));
        return svg.append("</svg>\n").toString();
    }

    private void draw(StringBuilder svg, Series one, Axes axes) {
        StringJoiner path = new StringJoiner(" ");
        for (int i = 0; i < one.x().size(); i++) {
            double left = axes.left(one.x().get(i));
            double top = axes.top(one.y().get(i));
            path.add(Chart.at(left) + "," + Chart.at(top));
            if (!joined) {
                svg.append("<circle cx=\"" + Chart.at(left) + "\" cy=\"" + Chart.at(top) + "\" r=\"6\" class=\""
                        + one.tone().style() + "\"/>\n");
                boolean nearRight = left > Axes.WIDTH - 140;
                svg.append(Chart.text(
                        nearRight ? left - 11 : left + 11, top + 4.5, "", nearRight ? "end" : "start", one.name()));
            }
        }
        if (joined) {
            svg.append("<polyline points=\"" + path + "\" class=\"curve "
                    + one.tone().style() + "\"/>\n");
        }
    }

    private static String number(double value) {
        String digits = Math.abs(value) >= 100 ? "%.0f" : Math.abs(value) >= 10 ? "%.1f" : "%.2f";
        return String.format(Locale.ROOT, digits, value);
    }
}
