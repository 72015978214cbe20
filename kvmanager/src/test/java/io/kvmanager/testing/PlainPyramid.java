package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Locale;
import java.util.function.IntToDoubleFunction;

/**
 * What PyramidInfer (arXiv 2405.12532) does with a prompt, straight from its description and without anything of the
 * caches: numbers in, the kept rows out.
 *
 * @param ratio share of the context that survives a layer
 * @param recentRatio recent window, as a share of the prompt
 * @param sinkTokens first tokens, always kept
 * @param minContextTokens contexts that would fall to this or below are not pruned
 * @param distanceWeight weight of the newest query over the oldest
 * @param interval prune behind every {@code interval}-th layer
 * @param firstPrunedLayer nothing is dropped before this layer
 */
public record PlainPyramid(
        IntToDoubleFunction ratio,
        double recentRatio,
        int sinkTokens,
        int minContextTokens,
        double distanceWeight,
        int interval,
        int firstPrunedLayer) {

    /** The released defaults: 4 sinks, 64 tokens at least, distance weight 1.2. */
    public PlainPyramid(IntToDoubleFunction ratio, double recentRatio, int interval) {
        this(ratio, recentRatio, 4, 64, 1.2, interval, 0);
    }

    /** The released schedule for a model of {@code layers} layers. */
    public static IntToDoubleFunction cosine(double d, int layers) {
        return layer -> (1 - d) * (Math.cos(Math.PI * layer / layers) + 1) / 2 + d;
    }

    /** A preset by its name. */
    public static PlainPyramid preset(String name, int layers) {
        return switch (name) {
            case "paper-7b" -> new PlainPyramid(cosine(.9, layers), .2, 1);
            case "paper-13b" -> new PlainPyramid(cosine(.8, layers), .2, 2);
            case "paper-70b" -> new PlainPyramid(cosine(.9, layers), .2, 3);
            case "half" -> new PlainPyramid(cosine(.6, layers), .05, 1);
            default -> throw new IllegalArgumentException(name);
        };
    }

    /** Queries that vote: the recent window, and the last token before it. */
    public int voters(int promptTokens) {
        return 1 + (int) (promptTokens * recentRatio);
    }

    /** Context tokens that survive a layer which has {@code context}; all of them where it drops none. */
    public int keptContext(int layer, int context, int promptTokens) {
        int least = Math.min(minContextTokens, promptTokens - voters(promptTokens));
        double r = ratio.applyAsDouble(layer);
        int k = (int) (context * r);
        boolean prunes = layer >= firstPrunedLayer && layer % interval == 0;
        return prunes && context > least && r < 1 && k > least ? k : context;
    }

    /**
     * Fails unless {@code kept} are the rows that survive a layer. Tokens whose scores differ by rounding alone may
     * stand for each other.
     *
     * @param attention probabilities that the voters, oldest first, pay the context, mean over query heads
     * @param kept indices of rows of this layer, ascending
     */
    public void assertSurvivors(int layer, double[][] attention, int promptTokens, int[] kept, String what) {
        int queries = voters(promptTokens);
        int context = attention[0].length;
        assertEquals(queries, attention.length);
        double[] score = new double[context];
        for (int c = 0; c < context; c++) {
            for (int i = 0; i < queries; i++) {
                double weight = queries == 1 ? 1 : 1 + (distanceWeight - 1) * i / (queries - 1);
                score[c] += weight * attention[i][c] / queries;
            }
            if (c < sinkTokens) {
                score[c] = Double.POSITIVE_INFINITY;
            }
        }
        int k = keptContext(layer, context, promptTokens);
        assertEquals(k + queries, kept.length, what + ": rows kept of " + (context + queries));
        for (int i = 0; i < queries; i++) {
            assertEquals(context + i, kept[k + i], what + ": the recent window goes on whole");
        }
        int[] chosen = Arrays.copyOf(kept, k);
        int[] sorted = Arrays.stream(chosen).sorted().distinct().toArray();
        assertArrayEquals(sorted, chosen, what + ": in the order of positions");
        double least = Arrays.stream(chosen).mapToDouble(c -> score[c]).min().orElse(0);
        for (int c = 0; c < context; c++) {
            if (Arrays.binarySearch(chosen, c) < 0) {
                double dropped = score[c];
                int at = c;
                assertTrue(
                        dropped <= least * (1 + 1e-5),
                        () -> String.format(Locale.ROOT, "%s: row %d has %g, a kept one %g", what, at, dropped, least));
            }
        }
    }
}
