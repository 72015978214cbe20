package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.testing.EngineDouble;
import io.kvmanager.testing.LeakCheck;
import io.kvmanager.testing.PlainPyramid;
import java.util.Arrays;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** PyramidInfer's selection and generation against {@link PlainPyramid} and plain counting. */
class PyramidFidelityTest {
    private static final long SEED = 20240520;

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    private static CacheGeometry geometry(int layers) {
        return new CacheGeometry(layers, 2, 1, 8, 16, ElementType.F32);
    }

    private static KvCacheConfig config(String device, String retention, int layers, int tokens) {
        return KvCacheConfig.builder(CacheName.PYRAMID, geometry(layers))
                .device(device)
                .maxSequenceTokens(tokens)
                .set("retention", retention)
                .build();
    }

    @ParameterizedTest
    @CsvSource({
        "paper-7b, 32, 70", "paper-7b, 12, 333", "paper-7b, 6, 2000",
        "paper-13b, 40, 100", "paper-13b, 12, 700", "paper-13b, 5, 2000",
        "paper-70b, 80, 90", "paper-70b, 12, 512", "paper-70b, 8, 2000",
        "half, 32, 71", "half, 12, 444", "half, 6, 2000"
    })
    void presetsKeepTheSameRows(String preset, int layers, int prompt) {
        check(preset, PlainPyramid.preset(preset, layers), layers, prompt);
    }

    @Test
    void schedulesKeepTheSameRows() {
        int layers = 8;
        IntToDoubleFunction geometric = layer -> Math.pow(.3, layer / 7.0);
        IntToDoubleFunction linear = layer -> 1 - .6 * layer / 7;
        double[] ratios = {.9, 1, .5, 1, .7, .7, .8, .6};
        for (int prompt : new int[] {95, 400, 1000}) {
            check("pyramid(curve=geometric,d=.3,recent=.1)", new PlainPyramid(geometric, .1, 1), layers, prompt);
            check("pyramid(curve=linear,d=.4,recent=.3)", new PlainPyramid(linear, .3, 1), layers, prompt);
            check("pyramid(curve=constant,d=.8)", new PlainPyramid(layer -> .8, .2, 1), layers, prompt);
            check(
                    "pyramid(curve=explicit,ratios=.9/1/.5/1/.7/.7/.8/.6,recent=.05)",
                    new PlainPyramid(layer -> ratios[layer], .05, 1),
                    layers,
                    prompt);
            check(
                    "pyramid(curve=constant,d=.4,recent=.1,sinks=9,mincontext=20,weight=3,interval=2,first=4)",
                    new PlainPyramid(layer -> .4, .1, 9, 20, 3, 2, 4),
                    layers,
                    prompt);
        }
    }

    private void check(String retention, PlainPyramid plain, int layers, int prompt) {
        check(prompt % 2 == 0 ? "host:vector" : "host:plain", retention, plain, layers, prompt, leaks);
    }

    /** Runs a prompt and compares the rows that each layer passes on. */
    static void check(String device, String retention, PlainPyramid plain, int layers, int prompt, LeakCheck leaks) {
        try (EngineDouble engine = new EngineDouble(geometry(layers), SEED, prompt);
                KvSequence sequence =
                        leaks.open(config(device, retention, layers, prompt)).openSequence()) {
            engine.prompt(sequence, prompt, (layer, alive, row) -> null);
            int rows = prompt;
            for (int layer = 0; layer + 1 < layers; layer++) {
                String what = retention + ", " + prompt + " tokens, layer " + layer;
                int[] alive = sequence.positions(layer);
                int[] next = sequence.positions(layer + 1);
                assertEquals(rows, alive.length, what);
                int voters = plain.voters(prompt);
                rows = plain.keptContext(layer, rows - voters, prompt) + voters;
                if (rows < alive.length) {
                    int[] kept = Arrays.stream(next)
                            .map(position -> Arrays.binarySearch(alive, position))
                            .toArray();
                    plain.assertSurvivors(layer, attention(engine, layer, alive, voters), prompt, kept, what);
                } else {
                    assertEquals(rows, next.length, what);
                }
            }
        }
    }

    /** Attention of the last {@code voters} rows, as the engine's q and k have it, to the rows before all of them. */
    private static double[][] attention(EngineDouble engine, int layer, int[] alive, int voters) {
        int context = alive.length - voters;
        double[][] mean = new double[voters][context];
        for (int i = 0; i < voters; i++) {
            int row = context + i;
            for (int head = 0; head < 2; head++) {
                double[] weights = engine.reference()
                        .weights(layer, engine.query(layer, alive[row]), head, Arrays.copyOf(alive, row + 1));
                for (int c = 0; c < context; c++) {
                    mean[i][c] += weights[c] / 2;
                }
            }
        }
        return mean;
    }

    @ParameterizedTest
    @ValueSource(strings = {"paper-7b", "paper-13b", "paper-70b", "half"})
    void aThousandNewTokensStarveNoLayer(String preset) {
        int layers = 10;
        double recentRatio = preset.equals("half") ? .05 : .2;
        PlainPyramid plain = PlainPyramid.preset(preset, layers);
        for (int prompt : new int[] {20, 300}) {
            try (EngineDouble engine = new EngineDouble(geometry(layers), SEED, prompt);
                    KvSequence sequence = leaks.open(config("host:plain", preset, layers, prompt + 1000))
                            .openSequence()) {
                engine.prompt(sequence, prompt, (layer, alive, row) -> null);
                int[] length = new int[layers];
                int[] settled = new int[layers];
                int rows = prompt;
                for (int layer = 0; layer < layers; layer++) {
                    length[layer] = rows;
                    settled[layer] = Math.max(Math.min(rows, 4), rows - (int) (prompt * recentRatio));
                    int voters = plain.voters(prompt);
                    rows = plain.keptContext(layer, rows - voters, prompt) + voters;
                }
                for (int token = 1; token <= 1000; token++) {
                    engine.token(sequence, (layer, positions) -> null);
                    grow(length, settled, recentRatio);
                    for (int layer = 0; layer < layers && token % 50 == 0; layer++) {
                        assertEquals(length[layer], sequence.retained(layer), "layer " + layer + " at " + token);
                    }
                }
                for (int layer = 0; layer < layers; layer++) {
                    int recent = (int) (length[0] * recentRatio);
                    int leastOfNew = (1000 - recent) / 16; // one of each window at the least, and what is recent
                    assertTrue(sequence.retained(layer) >= recent + leastOfNew, preset + " layer " + layer);
                }
                int top = layers - 1;
                assertTrue(sequence.retained(0) > 800 && sequence.retained(top) > 90, "the top keeps " + length[top]);
            }
        }
    }

    /** One token: windows of 16 that have left the recent tokens keep what section 3.3 of the paper says. */
    private static void grow(int[] length, int[] settled, double recentRatio) {
        int recent = (int) ((length[0] + 2) * recentRatio);
        for (int layer = 0; layer < length.length; layer++) {
            length[layer]++;
            double g = .9 * (Math.cos(Math.PI * layer / (length.length - 1)) + 1) / 2 + .1;
            int keep = Math.max((int) (16 * .9 * g), 1);
            while (length[layer] - recent - settled[layer] >= 16) {
                length[layer] -= 16 - keep;
                settled[layer] += keep;
            }
        }
    }
}
