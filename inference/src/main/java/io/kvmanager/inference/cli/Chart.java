package io.kvmanager.inference.cli;

import java.util.List;

/** A picture as SVG, with its title and what it shows in words. */
public sealed interface Chart permits BarChart, FrontChart, GridChart, LayerChart, PointChart {

    /** Pictures above this width are drawn smaller than they are on a narrow page, where their letters have to grow. */
    int WIDE = 400;

    /** The legend where there is one, and the picture. */
    String html();

    /** How a mark is coloured: the subject of the report, its companion, the rest, a warning; or just told apart. */
    enum Tone {
        MAIN,
        SECOND,
        REST,
        BAD,
        BLUE,
        PLUM,
        OLIVE,
        ROSE,
        SKY,
        CLAY,
        INK;

        /** One of those that only tell apart, or the companion's; the same again behind the last. */
        static Tone apart(int index) {
            Tone[] tones = {SECOND, BLUE, PLUM, BAD, OLIVE, SKY, ROSE, CLAY, INK, REST};
            return tones[index % tones.length];
        }

        /** The style's name for it. */
        String style() {
            return name().toLowerCase(java.util.Locale.ROOT);
        }
    }

    /** Opens a picture of the given size; {@code words} say what it shows. */
    static String open(int width, int height, String title, String words) {
        String wide = width > WIDE ? "class=\"wide\" " : "";
        return "<svg " + wide + "viewBox=\"0 0 " + width + " " + height + "\" role=\"img\" aria-label=\""
                + Html.escape(title + ": " + words) + "\">\n<title>" + Html.escape(title) + "</title>\n<desc>"
                + Html.escape(words) + "</desc>\n";
    }

    static String legend(List<String> names, List<Tone> tones) {
        StringBuilder html = new StringBuilder("<ul class=\"legend\" aria-hidden=\"true\">");
        for (int i = 0; i < names.size(); i++) {
            html.append("<li class=\"").append(tones.get(i).style()).append("\"><i></i>");
            html.append(Html.escape(names.get(i))).append("</li>");
        }
        return html.append("</ul>\n").toString();
    }

    /** A coordinate with one digit behind the point. */
    static String at(double coordinate) {
        return String.format(java.util.Locale.ROOT, "%.1f", coordinate);
    }

    static String text(double x, double y, String style, String anchor, String text) {
        return "<text x=\"" + at(x) + "\" y=\"" + at(y) + "\" class=\"" + style + "\" text-anchor=\"" + anchor + "\">"
                + Html.escape(text) + "</text>\n";
    }

    static String rect(double x, double y, double width, double height, String style) {
        return "<rect x=\"" + at(x) + "\" y=\"" + at(y) + "\" width=\"" + at(Math.max(0, width)) + "\" height=\""
                + at(Math.max(0, height)) + "\" rx=\"2\" class=\"" + style + "\"/>\n";
    }
}
