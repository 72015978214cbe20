package io.kvmanager.inference.cli;

import io.kvmanager.inference.cli.PointChart.Scale;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;

/**
 * What a resource buys: one curve per kind, and the Pareto front, which are the points that no other beats in both
 * directions, ringed and joined by a dashed line.
 *
 * @param title what is shown
 * @param xName the resource; less is better
 * @param yName what it buys
 * @param curves what is drawn
 * @param moreIsBetter whether a large y is good
 * @param yScale of the vertical axis
 */
record FrontChart(String title, String xName, String yName, List<Curve> curves, boolean moreIsBetter, Scale yScale)
        implements Chart {

    /**
     * Points of one kind, joined in their order.
     *
     * @param name written in the legend
     * @param points at least one
     * @param tone colour
     */
    record Curve(String name, List<Point> points, Tone tone) {
        Curve {
            points = List.copyOf(points);
        }
    }

    /**
     * A point.
     *
     * @param name shown where a pointer rests on it
     * @param x what it costs
     * @param y what it brings
     */
    record Point(String name, double x, double y) {}

    FrontChart {
        curves = List.copyOf(curves);
        if (curves.stream().anyMatch(curve -> curve.points().isEmpty()) || curves.isEmpty()) {
            throw new IllegalArgumentException("a curve has no points; expected 1 or more");
        }
    }

    /** The points that no other beats: none is as cheap and better, or as good and cheaper; from cheap to dear. */
    List<Point> front() {
        List<Point> all =
                curves.stream().flatMap(curve -> curve.points().stream()).toList();
        List<Point> front = new ArrayList<>();
        for (Point point : all) {
            if (all.stream().noneMatch(other -> beats(other, point))) {
                front.add(point);
            }
        }
        front.sort(Comparator.comparingDouble(Point::x));
        return front;
    }

    private boolean beats(Point a, Point b) {
        double gain = moreIsBetter ? a.y() - b.y() : b.y() - a.y();
        return a.x() <= b.x() && gain >= 0 && (a.x() < b.x() || gain > 0);
    }

    @Override
    public String html() {
        List<Point> all =
                curves.stream().flatMap(curve -> curve.points().stream()).toList();
        Axes axes = new Axes(
                all.stream().map(Point::x).toList(),
                Scale.LINEAR,
                all.stream().map(Point::y).toList(),
                yScale);
        List<Point> front = front();
        StringJoiner words = new StringJoiner("; ");
        front.forEach(point -> words.add(words(point)));
        StringBuilder svg = new StringBuilder(Chart.legend(
                curves.stream().map(Curve::name).toList(),
                curves.stream().map(Curve::tone).toList()));
        svg.append(
                Chart.open(Axes.WIDTH, Axes.HEIGHT, title, yName + " over " + xName + "; not beaten by any: " + words));
        svg.append(axes.svg(xName, yName));
        svg.append("<polyline points=\"" + path(front, axes) + "\" class=\"front\"/>\n");
        for (Curve curve : curves) {
            svg.append("<polyline points=\"" + path(curve.points(), axes) + "\" class=\"curve thin "
                    + curve.tone().style() + "\"/>\n");
        }
        for (Curve curve : curves) {
            curve.points()
                    .forEach(point -> svg.append(circle(point, 4.5, curve.tone().style(), axes)));
        }
        front.forEach(point -> svg.append(circle(point, 8, "ring", axes)));
        return svg.append("</svg>\n").toString();
    }

    private static String path(List<Point> points, Axes axes) {
        StringJoiner path = new StringJoiner(" ");
        points.forEach(point -> path.add(Chart.at(axes.left(point.x())) + "," + Chart.at(axes.top(point.y()))));
        return path.toString();
    }

    private static String circle(Point point, double radius, String style, Axes axes) {
        return "<circle cx=\"" + Chart.at(axes.left(point.x())) + "\" cy=\"" + Chart.at(axes.top(point.y())) + "\" r=\""
                + radius + "\" class=\"" + style + "\"><title>" + Html.escape(words(point)) + "</title></circle>\n";
    }

    private static String words(Point point) {
        return point.name() + " " + String.format(Locale.ROOT, "%.1f, %.5g", point.x(), point.y());
    }
}
