package io.kvmanager.inference.cli;

import io.kvmanager.inference.cli.Chart.Tone;
import java.util.List;
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
    private static final int WIDTH = 560;
    private static final int LEFT = 124;
    private static final int RIGHT = 128;
    private static final int ROW = 34;
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
        int height = bars.size() * ROW + 8;
        double scale = (WIDTH - LEFT - RIGHT) / longest;
        StringJoiner words = new StringJoiner("; ");
        bars.forEach(bar -> words.add(bar.name() + " " + bar.label()));
        StringBuilder svg = new StringBuilder(parts.size() > 1 ? Chart.legend(parts, tones) : "");
        svg.append(Chart.open(WIDTH, height, title, words.toString()));
        for (int row = 0; row < bars.size(); row++) {
            Bar bar = bars.get(row);
            double top = row * ROW + (ROW - THICK) / 2.0 + 4;
            double baseline = top + THICK - 4.5;
            svg.append(Chart.text(0, baseline, bar.chosen() ? "strong" : "", "start", bar.name()));
            svg.append(Chart.rect(LEFT, top, WIDTH - LEFT - RIGHT, THICK, "track"));
            double x = LEFT;
            for (int part = 0; part < bar.values().size(); part++) {
                double length = Math.min(bar.values().get(part) * scale, WIDTH - RIGHT - x);
                boolean faded = parts.size() == 1 && !bar.chosen() && tones.getFirst() == Tone.MAIN;
                svg.append(Chart.rect(
                        x, top, length, THICK, faded ? "rest" : tones.get(part).style()));
                x += Math.max(0, length);
            }
            svg.append(
                    Chart.text(WIDTH - RIGHT + 10, baseline, bar.chosen() ? "strong" : "quiet", "start", bar.label()));
        }
        if (!Double.isNaN(mark)) {
            double x = LEFT + mark * scale;
            svg.append("<line x1=\"" + Chart.at(x) + "\" y1=\"0\" x2=\"" + Chart.at(x) + "\" y2=\"" + height
                    + "\" class=\"mark\"/>\n");
        }
        return svg.append("</svg>\n").toString();
    }
}
