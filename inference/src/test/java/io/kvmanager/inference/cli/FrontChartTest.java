package io.kvmanager.inference.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.inference.cli.Chart.Tone;
import io.kvmanager.inference.cli.FrontChart.Curve;
import io.kvmanager.inference.cli.FrontChart.Point;
import io.kvmanager.inference.cli.PointChart.Scale;
import java.util.List;
import org.junit.jupiter.api.Test;

final class FrontChartTest {
    private static final Point CHEAP = new Point("cheap", 30, 1.2);
    private static final Point DEAR = new Point("dear", 60, 1.0);
    private static final Point BEATEN = new Point("beaten", 40, 1.3);
    private static final Point TWIN = new Point("twin", 60, 1.1);

    @Test
    void theFrontIsWhatNoOtherBeats() {
        assertEquals(List.of(CHEAP, DEAR), chart(false).front());
        assertEquals(List.of(CHEAP, BEATEN), chart(true).front());
    }

    private static FrontChart chart(boolean moreIsBetter) {
        return new FrontChart(
                "t",
                "x",
                "y",
                List.of(
                        new Curve("a", List.of(DEAR, CHEAP), Tone.MAIN),
                        new Curve("b", List.of(BEATEN, TWIN), Tone.apart(3))),
                moreIsBetter,
                Scale.LINEAR);
    }
}
