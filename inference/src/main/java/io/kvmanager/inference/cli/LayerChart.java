package io.kvmanager.inference.cli;

import java.util.List;

/**
 * The pyramid: one lying bar per layer, first layer at the bottom, centred, as long as what the layer keeps.
 *
 * @param title whose layers
 * @param retained tokens each layer keeps
 * @param tokens tokens of the sequence
 * @param tone colour
 */
record LayerChart(String title, List<Integer> retained, int tokens, Tone tone) implements Chart {
    private static final int WIDTH = 320;
    private static final int LEFT = 26;
    private static final int RIGHT = 44;
    private static final int HEIGHT = 176;
    private static final int LABEL_HEIGHT = 13;

    LayerChart {
        retained = List.copyOf(retained);
    }

    @Override
    public String html() {
        double row = (double) HEIGHT / retained.size();
        double room = WIDTH - LEFT - RIGHT;
        StringBuilder svg = new StringBuilder(Chart.open(
                WIDTH,
                HEIGHT + 4,
                title,
                "tokens kept, first layer to last: " + RunLengths.of(retained) + " of " + tokens));
        for (int layer = 0; layer < retained.size(); layer++) {
            double top = HEIGHT - (layer + 1) * row;
            double length = room * Math.min(1, (double) retained.get(layer) / Math.max(1, tokens));
            svg.append(Chart.rect(LEFT, top, room, row - 2, "track"));
            svg.append(Chart.rect(LEFT + (room - length) / 2, top, length, row - 2, tone.style()));
            boolean labelled = layer == 0
                    || layer == retained.size() - 1
                    || (row >= LABEL_HEIGHT && !retained.get(layer).equals(retained.get(layer - 1)));
            if (labelled) {
                double baseline = top + row / 2 + 3.5;
                svg.append(Chart.text(LEFT - 8, baseline, "quiet", "end", String.valueOf(layer)));
                svg.append(
                        Chart.text(WIDTH - RIGHT + 8, baseline, "quiet", "start", String.valueOf(retained.get(layer))));
            }
        }
        return svg.append("</svg>\n").toString();
    }
}
