package io.kvmanager.inference.evaluation;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import io.kvmanager.inference.DecodeState;
import io.kvmanager.inference.Transformer;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelConfig;
import io.kvmanager.testing.PlainPyramid;
import io.kvmanager.testing.ReferenceAttention;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What PyramidInfer keeps of a real model's attention, layer by layer, against {@link PlainPyramid}. */
final class PyramidOnModelTest {
    private final Model model = Prose.MODEL;
    private final ModelConfig config = model.config();

    @ParameterizedTest
    @CsvSource({"paper-7b, 70", "paper-7b, 1000", "paper-13b, 300", "paper-70b, 500", "half, 72", "half, 1000"})
    void keepsTheRowsOfThePlainVersion(String preset, int prompt) {
        int[] ids = Prose.text(200).windows(prompt, 1, 1).getFirst().prompt();
        KvCacheConfig cacheConfig = KvCacheConfig.builder(CacheName.PYRAMID, config.cacheGeometry(16, ElementType.F32))
                .maxSequenceTokens(prompt)
                .set("retention", preset)
                .build();
        try (KvCache cache = KvCache.open(cacheConfig);
                KvSequence sequence = cache.openSequence();
                DecodeState state = new DecodeState(config, prompt)) {
            new Transformer(model).prefill(checked(sequence, PlainPyramid.preset(preset, config.layers())), ids, state);
            if (prompt > 100) {
                assertTrue(sequence.retained(config.layers() - 1) < prompt);
            }
        }
    }

    /** A sequence whose every prompt layer is compared: the survivors, with the attention of the rows it was given. */
    private KvSequence checked(KvSequence sequence, PlainPyramid plain) {
        return (KvSequence) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {KvSequence.class}, (proxy, method, arguments) -> {
                    Object result;
                    try {
                        result = method.invoke(sequence, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                    if (method.getName().equals("attendPrompt")) {
                        check(plain, arguments, (RowSelection) result);
                    }
                    return result;
                });
    }

    private int promptTokens; // rows of layer 0

    private void check(PlainPyramid plain, Object[] arguments, RowSelection survivors) {
        int layer = (Integer) arguments[0];
        int rows = (Integer) arguments[1];
        promptTokens = layer == 0 ? rows : promptTokens;
        int voters = plain.voters(promptTokens);
        int context = rows - voters;
        if (plain.keptContext(layer, context, promptTokens) == context) {
            assertTrue(survivors.keepsAll(), "layer " + layer);
            return;
        }
        int heads = config.queryHeads();
        ReferenceAttention attention = new ReferenceAttention(heads, config.kvHeads(), config.headSize());
        float[] q = floats((MemorySegment) arguments[2], rows * heads * config.headSize());
        float[] k = floats((MemorySegment) arguments[3], rows * config.kvHeads() * config.headSize());
        double[][] mean = new double[voters][context];
        for (int i = 0; i < voters; i++) {
            for (int head = 0; head < heads; head++) {
                double[] weights = attention.weights(q, context + i, head, k, context + i + 1);
                for (int c = 0; c < context; c++) {
                    mean[i][c] += weights[c] / heads;
                }
            }
        }
        plain.assertSurvivors(layer, mean, promptTokens, survivors.rows(), "layer " + layer);
    }

    private static float[] floats(MemorySegment rows, int count) {
        float[] copy = new float[count];
        MemorySegment.copy(rows, JAVA_FLOAT, 0, copy, 0, count);
        return copy;
    }
}
