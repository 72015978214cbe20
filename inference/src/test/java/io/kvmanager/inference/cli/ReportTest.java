package io.kvmanager.inference.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.inference.cli.Chart.Tone;
import java.io.StringReader;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

final class ReportTest {
    private static final String NASTY = "<script>alert('x')</script> & \"quotes\" \u0001\uFFFF ✓ 𝄞";

    @Test
    void aReportIsWellFormedAndEscapesEveryText() throws Exception {
        String html = everything().html(NASTY);
        Document document = parsed(html);
        assertFalse(html.contains("<script"), "text became markup");
        assertEquals(0, document.getElementsByTagName("script").getLength());
        assertEquals(1, document.getElementsByTagName("h1").getLength());
        assertTrue(document.getElementsByTagName("h1")
                .item(0)
                .getTextContent()
                .contains("<script>alert('x')</script> & \"quotes\""));
        assertTrue(html.contains("𝄞"), "a character outside the first plane is kept");
    }

    @Test
    void aReportNeedsNothingElse() {
        String html = everything().html("");
        for (String reference : List.of("http:", "https:", "src=", "href=", "@import", "url(")) {
            assertFalse(html.contains(reference), reference);
        }
        assertTrue(html.contains("prefers-color-scheme: dark"));
        assertTrue(html.contains("name=\"viewport\""));
    }

    @Test
    void everyPictureSaysInWordsWhatItShows() throws Exception {
        Document document = parsed(everything().html(""));
        var pictures = document.getElementsByTagName("svg");
        assertTrue(pictures.getLength() > 0);
        for (int i = 0; i < pictures.getLength(); i++) {
            var attributes = pictures.item(i).getAttributes();
            boolean described = attributes.getNamedItem("aria-label") != null;
            boolean hidden = attributes.getNamedItem("aria-hidden") != null;
            assertTrue(described || hidden, "picture " + i);
        }
        assertTrue(document.getElementsByTagName("title").getLength() > 1);
    }

    private static Report everything() {
        Chart bars = new BarChart(
                NASTY,
                List.of("a", NASTY),
                List.of(Tone.MAIN, Tone.SECOND),
                List.of(new BarChart.Bar(NASTY, List.of(3.0, 9.0), NASTY, true)),
                5,
                4);
        Chart layers = new LayerChart(NASTY, List.of(9, 9, 4, 0), 9, Tone.MAIN);
        PointChart.Series one = new PointChart.Series(NASTY, List.of(1.0, 1.0), List.of(0.0, -2.5), Tone.BAD);
        return new Report(NASTY, NASTY, NASTY)
                .cards(List.of(new Report.Card(NASTY, NASTY, NASTY)))
                .section(NASTY, NASTY)
                .table(List.of(NASTY, "b"), List.of(List.of(NASTY, NASTY)), NASTY)
                .chart(bars)
                .section(NASTY, NASTY)
                .charts(Map.of(NASTY, layers))
                .chart(new PointChart(NASTY, NASTY, NASTY, List.of(one), false, PointChart.Scale.LINEAR))
                .chart(new PointChart(NASTY, NASTY, NASTY, List.of(one), true, PointChart.Scale.LOGARITHMIC))
                .chart(new FrontChart(
                        NASTY,
                        NASTY,
                        NASTY,
                        List.of(new FrontChart.Curve(
                                NASTY, List.of(new FrontChart.Point(NASTY, 1, 1e-3)), Tone.apart(1))),
                        true,
                        PointChart.Scale.LOGARITHMIC))
                .chart(new GridChart(
                        NASTY,
                        NASTY,
                        List.of(NASTY, "b"),
                        List.of(new GridChart.Row(NASTY, List.of(.5, Double.NaN), true))))
                .prompt(NASTY)
                .texts(List.of(new Report.Text(NASTY, NASTY, NASTY, true)))
                .facts(Map.of(NASTY, NASTY));
    }

    static Document parsed(String html) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(html)));
    }
}
