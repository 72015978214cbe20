package io.kvmanager.inference.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A report in one HTML file that needs nothing else: style inside, charts as SVG, light and dark. Sections are added in
 * reading order; every text is escaped. The result is well-formed XML too.
 */
public final class Report {
    private final StringBuilder body = new StringBuilder();
    private final String title;
    private boolean open;

    /**
     * Starts a report.
     *
     * @param kicker what kind of report, a few words above the title
     * @param title what it found, one sentence
     * @param lede how, a few sentences
     */
    public Report(String kicker, String title, String lede) {
        this.title = title;
        body.append("<header>\n<p class=\"kicker\">")
                .append(Html.escape(kicker))
                .append("</p>\n<h1>");
        body.append(Html.escape(title)).append("</h1>\n<p class=\"lede\">").append(Html.escape(lede));
        body.append("</p>\n</header>\n");
    }

    /**
     * A headline number.
     *
     * @param value the number with its unit
     * @param label of what
     * @param remark what it is compared with
     */
    record Card(String value, String label, String remark) {}

    /**
     * A text that was generated.
     *
     * @param heading by whom
     * @param remark one line about it
     * @param text the text, line ends kept
     * @param chosen whether it is the one that the report is about
     */
    record Text(String heading, String remark, String text, boolean chosen) {}

    Report cards(List<Card> cards) {
        body.append("<ul class=\"cards\">\n");
        for (Card card : cards) {
            body.append("<li><span class=\"value\">").append(Html.escape(card.value()));
            body.append("</span><span class=\"label\">").append(Html.escape(card.label()));
            body.append("</span><span class=\"remark\">")
                    .append(Html.escape(card.remark()))
                    .append("</span></li>\n");
        }
        body.append("</ul>\n");
        return this;
    }

    /** Starts a section; what follows belongs to it. */
    public Report section(String heading, String note) {
        closeSection();
        open = true;
        body.append("<section>\n<h2>").append(Html.escape(heading)).append("</h2>\n<p class=\"note\">");
        body.append(Html.escape(note)).append("</p>\n");
        return this;
    }

    /**
     * A table; the first cell of a row is its heading.
     *
     * @param chosen first cell of the row to stress, or empty
     */
    public Report table(List<String> headings, List<List<String>> rows, String chosen) {
        body.append(
                "<div class=\"panel scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Table\"><table>\n<thead><tr>");
        for (String heading : headings) {
            body.append("<th scope=\"col\">").append(Html.escape(heading)).append("</th>");
        }
        body.append("</tr></thead>\n<tbody>\n");
        for (List<String> row : rows) {
            body.append(row.getFirst().equals(chosen) ? "<tr class=\"chosen\">" : "<tr>");
            body.append("<th scope=\"row\">")
                    .append(Html.escape(row.getFirst()))
                    .append("</th>");
            for (String cell : row.subList(1, row.size())) {
                body.append("<td>").append(Html.escape(cell)).append("</td>");
            }
            body.append("</tr>\n");
        }
        body.append("</tbody>\n</table></div>\n");
        return this;
    }

    /** A chart in a panel of its own. */
    public Report chart(Chart chart) {
        body.append("<div class=\"panel\">\n").append(chart.html()).append("</div>\n");
        return this;
    }

    /** Charts side by side where there is room, each with a heading. */
    Report charts(Map<String, Chart> charts) {
        boolean narrow = charts.values().stream().allMatch(chart -> chart instanceof LayerChart);
        body.append(narrow ? "<div class=\"columns\">\n" : "<div class=\"columns broad\">\n");
        charts.forEach((heading, chart) -> body.append("<div class=\"panel\">\n<h3>")
                .append(Html.escape(heading))
                .append("</h3>\n")
                .append(chart.html())
                .append("</div>\n"));
        body.append("</div>\n");
        return this;
    }

    /** What all texts continue. */
    Report prompt(String text) {
        body.append("<p class=\"text prompt\">").append(Html.escape(text)).append("</p>\n");
        return this;
    }

    /** Texts side by side where there is room. */
    Report texts(List<Text> texts) {
        body.append("<div class=\"columns\">\n");
        for (Text text : texts) {
            body.append(text.chosen() ? "<article class=\"panel chosen\">" : "<article class=\"panel\">");
            body.append("<h3>").append(Html.escape(text.heading())).append("</h3><span class=\"remark\">");
            body.append(Html.escape(text.remark())).append("</span><p class=\"text\">");
            body.append(Html.escape(text.text())).append("</p></article>\n");
        }
        body.append("</div>\n");
        return this;
    }

    /** Names and values, such as an effective configuration. */
    Report facts(Map<String, String> facts) {
        body.append("<div class=\"panel\"><dl>\n");
        facts.forEach((name, value) -> body.append("<dt>")
                .append(Html.escape(name))
                .append("</dt><dd>")
                .append(Html.escape(value))
                .append("</dd>\n"));
        body.append("</dl></div>\n");
        return this;
    }

    /** The whole document, with a last line about the machine. */
    public String html(String footer) {
        closeSection();
        return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n"
                + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n<title>"
                + Html.escape(title) + "</title>\n<style>\n" + style() + "</style>\n</head>\n<body>\n<main>\n" + body
                + "<footer>" + Html.escape(footer) + "</footer>\n</main>\n</body>\n</html>\n";
    }

    private void closeSection() {
        if (open) {
            body.append("</section>\n");
            open = false;
        }
    }

    private static String style() {
        try (InputStream stream = Objects.requireNonNull(Report.class.getResourceAsStream("report.css"))) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
