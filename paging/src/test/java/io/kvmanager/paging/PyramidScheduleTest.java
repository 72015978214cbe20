package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.LayerSchedule;
import io.kvmanager.RetentionPolicy;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

class PyramidScheduleTest {

    private static int[] lengths(String retention, int layers, int tokens) {
        return new PyramidSchedule(RetentionPolicy.parse(retention), layers, 16).lengthsAfterPrompt(tokens);
    }

    private static double meanShare(int[] lengths, int tokens) {
        return Arrays.stream(lengths).average().orElseThrow() / tokens;
    }

    @Test
    void releasedPresetKeepsWhatTheReleasedCodeKeeps() {
        int[] lengths = lengths("paper-7b", 32, 512);
        assertEquals(.757, meanShare(lengths, 512), .0005);
        assertEquals(186, lengths[31]);
        assertEquals(512, lengths[0]);
        assertEquals(512, lengths[1], "the selection of layer 0 keeps everything, that of layer 1 acts on layer 2");
    }

    @Test
    void halfKeepsAtMostFortySixPercentOfALongPrompt() {
        assertTrue(meanShare(lengths("half", 40, 8192), 8192) <= .46);
    }

    @Test
    void lengthsNeverGrowWithDepth() {
        for (String preset : List.of("paper-7b", "paper-13b", "paper-70b", "half")) {
            for (int tokens : new int[] {1, 2, 63, 64, 65, 80, 100, 512, 2000}) {
                int[] lengths = lengths(preset, 40, tokens);
                for (int layer = 1; layer < lengths.length; layer++) {
                    assertTrue(lengths[layer] <= lengths[layer - 1], preset + " " + tokens);
                }
            }
        }
    }

    @Test
    void shortPromptsAreNotPruned() {
        assertArrayEquals(new int[] {70, 70, 70, 70}, lengths("paper-7b", 4, 70));
    }

    @Test
    void intervalSkipsLayers() {
        int[] lengths = lengths("paper-13b", 40, 1000);
        for (int layer = 1; layer < 38; layer += 2) {
            assertEquals(lengths[layer], lengths[layer + 1], "nothing is dropped behind odd layers");
        }
    }

    @Test
    void firstPrunedLayerKeepsEverythingBefore() {
        int[] lengths = lengths("pyramid(d=.5,recent=.1,first=6)", 12, 700);
        for (int layer = 0; layer <= 6; layer++) {
            assertEquals(700, lengths[layer]);
        }
        assertTrue(lengths[7] < 700);
    }

    @Test
    void perLayerSharesKeepRecentAndSinks() {
        RetentionPolicy policy = RetentionPolicy.PerLayer.of("layers", List.of(1.0, .1, .5));
        PyramidSchedule schedule = new PyramidSchedule(policy, 3, 16);
        assertArrayEquals(new int[] {1000, 100, 500}, schedule.lengthsAfterPrompt(1000));
        assertArrayEquals(new int[] {100, 36, 50}, schedule.lengthsAfterPrompt(100));
        assertArrayEquals(new int[] {20, 20, 20}, schedule.lengthsAfterPrompt(20));
        assertFalse(schedule.prunesInGeneration(0));
        assertEquals(1, schedule.keptOfWindow(1));
        assertEquals(8, schedule.keptOfWindow(2));
        assertEquals(0, schedule.observationQueries(0));
    }

    @Test
    void generationKeepsLessWithDepthAndNeverNothing() {
        PyramidSchedule schedule = new PyramidSchedule(RetentionPolicy.parse("paper-7b"), 32, 16);
        assertEquals(14, schedule.keptOfWindow(0));
        assertEquals(1, schedule.keptOfWindow(31));
        for (int layer = 1; layer < 32; layer++) {
            assertTrue(schedule.keptOfWindow(layer) <= schedule.keptOfWindow(layer - 1));
            assertTrue(schedule.keptOfWindow(layer) >= 1);
        }
    }

    @Test
    void curvesStartAtOneAndEndAtD() {
        for (LayerSchedule curve : List.of(
                new LayerSchedule.Geometric(.25), new LayerSchedule.Linear(.25), new LayerSchedule.Cosine(.25))) {
            assertEquals(1, curve.ratio(0, 16), 1e-12);
            assertTrue(curve.ratio(15, 16) < .3);
        }
        assertEquals(.25, new LayerSchedule.Constant(.25).ratio(0, 16));
        List<Double> ones = Collections.nCopies(4, 1.0);
        assertArrayEquals(
                new int[] {300, 300, 300, 300},
                new PyramidSchedule(RetentionPolicy.Pyramid.of("p", new LayerSchedule.Explicit(ones), .2, 1), 4, 16)
                        .lengthsAfterPrompt(300));
    }
}
