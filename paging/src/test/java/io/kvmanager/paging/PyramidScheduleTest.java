package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.LayerSchedule;
import io.kvmanager.RetentionPolicy;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

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

    private static PyramidSchedule schedule(String retention, int layers, int blockTokens) {
        return new PyramidSchedule(RetentionPolicy.parse(retention), layers, blockTokens);
    }

    @Test
    void aChunkIsAWindowOfItsOwnSize() {
        PyramidSchedule chunks = schedule("chunks(1/.3/.6,size=32,queries=6,sinks=2,pool=3)", 3, 8);
        assertTrue(chunks.prunesInChunks());
        assertFalse(chunks.dropsRows());
        assertEquals(32, chunks.windowTokens());
        assertEquals(6, chunks.keptTailOfWindow());
        assertEquals(3, chunks.windowPoolingWidth());
        assertEquals(2, chunks.keptHeadOfFirstWindow());
        assertEquals(2, chunks.sinkTokens());
        assertEquals(0, chunks.observationQueries(0));
        assertEquals(6, chunks.observationQueries(1));
        assertArrayEquals(new int[] {32, 16, 24}, kept(chunks, 3), "whole blocks");
        assertArrayEquals(new int[] {70, 38, 54}, chunks.lengthsAfterPrompt(70), "two chunks, and 6 tokens");
        assertEquals(31, chunks.peakInPrompt(1, 31));
        assertEquals(32, chunks.peakInPrompt(1, 32));
        assertEquals(48, chunks.peakInPrompt(1, 70), "a pruned chunk, and one that is not yet");
        assertEquals(63, chunks.peakInPrompt(1, 95), "two pruned chunks, and 31 tokens");
        assertEquals(32, chunks.frontierAfterPrompt(38, 6));
        assertEquals(6, chunks.recentAfterPrompt(70));
        assertEquals(0, chunks.recentInGeneration(70));
    }

    private static int[] kept(PyramidSchedule schedule, int layers) {
        return IntStream.range(0, layers).map(schedule::keptOfWindow).toArray();
    }

    @Test
    void otherWindowsAreSixteenTokens() {
        for (String retention : List.of("all", "local(sinks=3,recent=20)", "half", "layers(1/.5)")) {
            PyramidSchedule schedule = schedule(retention, 2, 8);
            assertEquals(16, schedule.windowTokens());
            assertFalse(schedule.prunesInChunks());
            assertEquals(0, schedule.keptTailOfWindow());
            assertEquals(1, schedule.windowPoolingWidth());
            assertEquals(0, schedule.keptHeadOfFirstWindow());
            assertEquals(100, schedule.peakInPrompt(1, 100));
            assertEquals(retention.equals("half"), schedule.dropsRows());
        }
    }

    @Test
    void sinksAndASlidingWindow() {
        PyramidSchedule local = schedule("local(sinks=3,recent=20)", 2, 8);
        assertArrayEquals(new int[] {23, 23}, local.lengthsAfterPrompt(100));
        assertArrayEquals(new int[] {10, 10}, local.lengthsAfterPrompt(10));
        assertEquals(0, local.keptOfWindow(1));
        assertEquals(0, local.observationQueries(1), "nobody votes");
        assertEquals(3, local.sinkTokens());
        assertEquals(20, local.recentAfterPrompt(100));
        assertEquals(20, local.recentInGeneration(100));
        assertEquals(3, local.frontierAfterPrompt(23, 20));
        assertEquals(3, local.frontierAfterPrompt(15, 20), "behind the sinks");
        assertEquals(2, local.frontierAfterPrompt(2, 20));
        assertEquals(30, local.frontierAfterPrompt(50, 20));
    }

    @Test
    void everythingIsRecentWhereNothingIsPruned() {
        PyramidSchedule all = schedule("all", 2, 8);
        assertArrayEquals(new int[] {100, 100}, all.lengthsAfterPrompt(100));
        assertFalse(all.prunesInGeneration(1));
        assertEquals(0, all.observationQueries(1));
        assertEquals(0, all.sinkTokens());
        assertEquals(Integer.MAX_VALUE, all.recentInGeneration(100));
        assertEquals(0, all.frontierAfterPrompt(100, all.recentAfterPrompt(100)));
    }

    @Test
    void rowsGoOnAsTheDefinitionSays() {
        PyramidSchedule half = schedule("pyramid(curve=constant,d=.5,recent=.1,mincontext=20,queries=9)", 2, 16);
        assertEquals(55, half.propagatedRows(0, 100, 100), "44 of 89, 1 and 10");
        assertEquals(32, half.propagatedRows(0, 53, 100), "21 of 42, 1 and 10");
        assertEquals(51, half.propagatedRows(0, 51, 100), "20 are not above the least");
        assertEquals(20, half.propagatedRows(0, 20, 20));
        assertEquals(10, half.recentAfterPrompt(100));
        assertEquals(11, half.recentInGeneration(109));
        assertEquals(9, half.observationQueries(0));
        assertEquals(4, half.sinkTokens());
        assertEquals(100, half.keptAfterPrompt(0, 100));
    }

    @Test
    void aWindowShrinksAsThePromptDid() {
        assertArrayEquals(new int[] {14, 7, 1}, kept(schedule("half", 3, 16), 3));
        assertEquals(14, schedule("half", 1, 16).keptOfWindow(0));
        assertArrayEquals(
                new int[] {16, 16, 8, 4},
                kept(schedule("pyramid(curve=explicit,ratios=1/.5/.5/.9)", 4, 16), 4),
                "what is alive in a layer, not behind it");
        assertArrayEquals(new int[] {16, 3, 1}, kept(schedule("pyramid(curve=explicit,ratios=.2/.1/.1)", 3, 16), 3));
        assertArrayEquals(new int[] {16, 16, 16, 1}, kept(schedule("pyramid(d=.5,first=2)", 4, 16), 4));
    }

    @Test
    void policiesUnderABudgetHaveNoSchedule() {
        PyramidSchedule none = schedule("tova(budget=.3)", 2, 16);
        for (Executable use : List.<Executable>of(
                none::sinkTokens,
                () -> none.keptOfWindow(1),
                () -> none.keptAfterPrompt(1, 20),
                () -> none.recentAfterPrompt(20),
                () -> none.observationQueries(1))) {
            assertEquals(
                    "tova(budget=0.3) is SlotBudget's",
                    assertThrows(IllegalStateException.class, use).getMessage());
        }
    }
}
