package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What may follow what, and what a refusal says. */
class StepProtocolTest {
    private static final int LAYERS = 2;

    private final StepProtocol step = new StepProtocol();

    private static void assertRefused(String message, Executable use) {
        assertEquals(message, assertThrows(IllegalStateException.class, use).getMessage());
    }

    private void runLayers() {
        for (int layer = 0; layer < LAYERS; layer++) {
            step.requireLayer(layer, false);
            step.working();
            step.layerDone(LAYERS);
        }
    }

    @Test
    void aStepIsEveryLayerOnceAndInOrder() {
        assertRefused("attend without beginToken", () -> step.requireLayer(0, false));
        assertRefused("attendPrompt without beginPrompt", () -> step.requireLayer(0, true));
        assertRefused("commit after 0 of 2 layers", () -> step.requireComplete(LAYERS));
        step.begin(7, true);
        assertEquals(7, step.tokens());
        assertRefused("attend without beginToken", () -> step.requireLayer(0, false));
        assertRefused("layer 1 is out of order, 0 is next", () -> step.requireLayer(1, true));
        step.requireLayer(0, true);
        step.layerDone(LAYERS);
        assertRefused("layer 0 is out of order, 1 is next", () -> step.requireLayer(0, true));
        assertRefused("commit after 1 of 2 layers", () -> step.requireComplete(LAYERS));
        step.requireLayer(1, true);
        step.layerDone(LAYERS);
        step.requireComplete(LAYERS);
        assertRefused("a step of 7 tokens was begun and not committed", step::requireIdle);
        step.end();
        step.requireIdle();
        assertRefused("commit after 2 of 2 layers", () -> step.requireComplete(LAYERS));
        step.begin(1, false);
        assertRefused("attendPrompt without beginPrompt", () -> step.requireLayer(0, true));
        runLayers();
        assertRefused("layer 2 does not exist", () -> step.layerDone(LAYERS));
    }

    @Test
    void whatFailedCanOnlyBeClosed() {
        step.begin(1, false);
        step.working();
        String broken = "a step of the sequence failed; it can only be closed";
        assertRefused(broken, step::requireIdle);
        assertRefused(broken, () -> step.requireLayer(0, false));
        assertRefused(broken, () -> step.requireComplete(LAYERS));
        assertDoesNotThrow(step::requireOpen);
        step.close();
        assertRefused("the sequence is closed", step::requireOpen);
        assertRefused("the sequence is closed", step::requireIdle);
        assertRefused("the sequence is closed", step::close);
        assertEquals(0, step.tokens());
    }

    @Test
    void whatIsCompleteDoesNotCountAsFailed() {
        step.working();
        step.done();
        step.requireIdle();
        step.working();
        step.begin(1, false);
        runLayers();
        step.working();
        step.end();
        step.requireIdle();
    }

    @Test
    void aCapturedStepIsRunAgainFromItsFirstLayer() {
        step.begin(1, false);
        runLayers();
        step.working();
        step.rewind();
        assertRefused("commit after 0 of 2 layers", () -> step.requireComplete(LAYERS));
        runLayers();
        step.requireComplete(LAYERS);
    }

    @Test
    void aSuspendedSequenceIsResumedFirst() {
        step.suspend();
        assertRefused("the sequence is suspended; resume it first", step::requireIdle);
        step.resume();
        step.requireIdle();
    }

    @Test
    void shortBuffersAreNamed() {
        CacheGeometry geometry = new CacheGeometry(1, 4, 2, 3, 4, ElementType.BF16);
        String[] names = {"q", "k", "v", "out"};
        int[] needed = {5 * 4 * 3 * 4, 5 * 2 * 3 * 4, 5 * 2 * 3 * 4, 5 * 4 * 3 * 4};
        MemorySegment[] buffers = new MemorySegment[names.length];
        for (int i = 0; i < names.length; i++) {
            buffers[i] = MemorySegment.ofArray(new byte[needed[i]]);
        }
        StepProtocol.requireRows(geometry, 5, buffers[0], buffers[1], buffers[2], buffers[3]);
        for (int i = 0; i < names.length; i++) {
            MemorySegment[] given = buffers.clone();
            given[i] = buffers[i].asSlice(0, needed[i] - 1L);
            String message = names[i] + " holds " + (needed[i] - 1) + " bytes; 5 rows of " + needed[i] / 20
                    + " F32 elements are needed";
            IllegalArgumentException refusal = assertThrows(
                    IllegalArgumentException.class,
                    () -> StepProtocol.requireRows(geometry, 5, given[0], given[1], given[2], given[3]));
            assertEquals(message, refusal.getMessage());
        }
    }
}
