package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.RetentionPolicy.PerLayer;
import java.util.List;
import org.junit.jupiter.api.Test;

final class CalibrationTest {
    /** How far the mass of a layer, mean over heads and steps, may be from what was predicted. */
    private static final double TOLERANCE = .06;

    @Test
    void whatItPredictsHoldsOnTextThatItDidNotSee() {
        Calibration.Result result = new Calibration(
                        Prose.MODEL, Prose.text(1200), PerLayer.of("profile", List.of(1.)), .05, "auto")
                .run(4, 1, (what, done, steps) -> {});
        List<Double> predicted = result.predicted().droppedMassPerLayer();
        List<Double> measured = result.verified().attention().droppedMassPerLayer();
        assertEquals(Prose.MODEL.config().layers(), predicted.size());
        for (int layer = 0; layer < predicted.size(); layer++) {
            assertEquals(predicted.get(layer), measured.get(layer), TOLERANCE, "layer " + layer);
        }
        assertTrue(
                result.verified().retainedShare() < .8,
                "it prunes: " + result.profile().shares());
        assertEquals(1, result.predicted().recallOfFull());
        assertEquals(1, result.verified().recallOfFull(), .34);
    }
}
