package io.kvmanager.inference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelConfig;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Rows that a layer drops: the same result as computing every row and hiding the dropped ones from deeper layers. */
final class RowDroppingTest {
    private static final int PROMPT = 61;

    private final Model model = Model.load(Model.EMBEDDED);
    private final ModelConfig config = model.config();
    private final int[] ids = new Random(7).ints(PROMPT, 1, config.vocabulary()).toArray();

    @Test
    void droppedRowsAreTheSameAsHiddenOnes() {
        int[][] alive = alive(11);
        NaiveSequence dropping = NaiveSequence.dropping(config, (layer, rows) -> rowsKept(alive, layer));
        NaiveSequence hiding = NaiveSequence.masked(
                config, (layer, slot) -> slot >= PROMPT || Arrays.binarySearch(alive[layer], slot) >= 0);
        Transformer transformer = new Transformer(model);
        try (DecodeState first = new DecodeState(config, PROMPT);
                DecodeState second = new DecodeState(config, PROMPT)) {
            assertArrayEquals(
                    transformer.prefill(hiding, ids, first), transformer.prefill(dropping, ids, second), 1e-4f);
            for (int id = 20; id < 24; id++) {
                assertArrayEquals(
                        transformer.decode(hiding, id, first), transformer.decode(dropping, id, second), 1e-4f);
            }
        }
        assertEquals(PROMPT + 4, dropping.length());
        assertEquals(alive[5].length + 4, dropping.retained(5));
    }

    @Test
    void aSelectionWithoutTheLastRowIsRefused() {
        NaiveSequence wrong = NaiveSequence.dropping(config, (layer, rows) -> new int[] {0, 1});
        try (DecodeState state = new DecodeState(config, PROMPT)) {
            assertThrows(IllegalStateException.class, () -> new Transformer(model).prefill(wrong, ids, state));
        }
    }

    /** Prompt positions alive in each layer: all in the first, each layer a random part of the one before. */
    private int[][] alive(long seed) {
        Random random = new Random(seed);
        int[][] alive = new int[config.layers()][];
        alive[0] = IntStream.range(0, PROMPT).toArray();
        for (int layer = 1; layer < config.layers(); layer++) {
            alive[layer] = Arrays.stream(alive[layer - 1])
                    .filter(position -> position == PROMPT - 1 || random.nextInt(8) > 0)
                    .toArray();
        }
        return alive;
    }

    private int[] rowsKept(int[][] alive, int layer) {
        int[] next = alive[Math.min(layer + 1, config.layers() - 1)];
        return IntStream.range(0, alive[layer].length)
                .filter(row -> Arrays.binarySearch(next, alive[layer][row]) >= 0)
                .toArray();
    }
}
