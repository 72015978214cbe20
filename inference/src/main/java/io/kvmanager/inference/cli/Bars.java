package io.kvmanager.inference.cli;

import java.util.List;

/** Small pictures made of characters. */
final class Bars {
    private static final String EIGHTHS = "▁▂▃▄▅▆▇█";
    private static final String TENTHS = "0123456789";
    private static final String PARTS = "▏▎▍▌▋▊▉█";

    private Bars() {}

    /** One character per layer: how much of {@code tokens} it keeps, as a column or, without blocks, in tenths. */
    static String layers(List<Integer> retained, int tokens, boolean unicode) {
        String scale = unicode ? EIGHTHS : TENTHS;
        StringBuilder text = new StringBuilder();
        for (int slots : retained) {
            double share = tokens == 0 ? 0 : (double) slots / tokens;
            int step = (int) Math.ceil(share * scale.length()) - 1;
            text.append(scale.charAt(Math.clamp(step, 0, scale.length() - 1)));
        }
        return text.toString();
    }

    /** A bar of at most {@code cells} characters. */
    static String bar(double share, int cells, boolean unicode) {
        double length = Math.clamp(share, 0, 1) * cells;
        if (!unicode) {
            return "#".repeat((int) Math.round(length));
        }
        int whole = (int) length;
        int eighths = (int) Math.round((length - whole) * 8);
        return "█".repeat(whole) + (eighths == 0 ? "" : PARTS.substring(eighths - 1, eighths));
    }
}
