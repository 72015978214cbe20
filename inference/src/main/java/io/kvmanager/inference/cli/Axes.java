package io.kvmanager.inference.cli;

import io.kvmanager.inference.cli.PointChart.Scale;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Two axes that begin where the data asks for it, and where on a picture a value lies. */
final class Axes {
    static final int WIDTH = 560;
    static final int HEIGHT = 300;

    private static final int LEFT = 64;
    private static final int RIGHT = 24;
    private static final int TOP = 28;
    private static final int BOTTOM = 46;
    private static final int TICKS = 4;

    private final Range x;
    private final Range y;

    /** Smallest and largest place with room around them. */
    private record Range(double low, double high, Scale scale) {
        static Range of(List<Double> values, Scale scale) {
            double low = values.stream().mapToDouble(scale::place).min().orElse(0);
            double high = values.stream().mapToDouble(scale::place).max().orElse(1);
            double margin = high > low ? (high - low) * .12 : Math.max(1e-9, Math.abs(high) * .1);
            return new Range(low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin, scale);
        }

        double share(double value) {
            return (scale.place(value) - low) / (high - low);
        }

        /** Round values inside the range, about {@link #TICKS} of them. */
        List<Double> ticks() {
            return scale == Scale.LINEAR ? multiples() : decades();
        }

        private List<Double> multiples() {
            double rough = (high - low) / TICKS;
            double power = Math.pow(10, Math.floor(Math.log10(rough)));
            double step = power * (rough / power >= 5 ? 5 : rough / power >= 2 ? 2 : 1);
            List<Double> ticks = new ArrayList<>();
            for (long i = (long) Math.ceil(low / step); i * step <= high; i++) {
                ticks.add(i * step);
            }
            return ticks;
        }

        /** Powers of ten, and twice and five times them where there are few. */
        private List<Double> decades() {
            int[] factors = high - low > 2 ? new int[] {1} : new int[] {1, 2, 5};
            List<Double> ticks = new ArrayList<>();
            for (int exponent = (int) Math.floor(low); exponent <= high; exponent++) {
                for (int factor : factors) {
                    double value = factor * Math.pow(10, exponent);
                    if (scale.place(value) >= low && scale.place(value) <= high) {
                        ticks.add(value);
                    }
                }
            }
            return ticks;
        }

        /** A tick's number with as many digits as tell it from its neighbours. */
        String label(List<Double> ticks, int index) {
            double value = ticks.get(index);
            boolean alone = scale == Scale.LOGARITHMIC || ticks.size() < 2;
            double step = alone ? Math.abs(value) : ticks.get(1) - ticks.get(0);
            int digits = step > 0 ? Math.clamp((int) Math.ceil(-Math.log10(step) - 1e-9), 0, 9) : 0;
            return String.format(Locale.ROOT, "%." + digits + "f", value);
        }
    }

    /** Axes for values of at least one point. */
    Axes(List<Double> xs, Scale xScale, List<Double> ys, Scale yScale) {
        x = Range.of(xs, xScale);
        y = Range.of(ys, yScale);
    }

    double left(double value) {
        return LEFT + x.share(value) * (WIDTH - LEFT - RIGHT);
    }

    double top(double value) {
        return HEIGHT - BOTTOM - y.share(value) * (HEIGHT - BOTTOM - TOP);
    }

    /** Grid, numbers and names. */
    String svg(String xName, String yName) {
        StringBuilder svg = new StringBuilder();
        List<Double> rows = y.ticks();
        for (int tick = 0; tick < rows.size(); tick++) {
            String top = Chart.at(top(rows.get(tick)));
            svg.append("<line x1=\"" + LEFT + "\" y1=\"" + top + "\" x2=\"" + (WIDTH - RIGHT) + "\" y2=\"" + top
                    + "\" class=\"axis\"/>\n");
            svg.append(Chart.text(LEFT - 8, top(rows.get(tick)) + 4, "quiet", "end", y.label(rows, tick)));
        }
        List<Double> columns = x.ticks();
        for (int tick = 0; tick < columns.size(); tick++) {
            svg.append(Chart.text(
                    left(columns.get(tick)), HEIGHT - BOTTOM + 20, "quiet", "middle", x.label(columns, tick)));
        }
        svg.append(Chart.text((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 5, "quiet", "middle", xName));
        svg.append(Chart.text(2, TOP - 13, "quiet", "start", yName));
        return svg.toString();
    }
}
