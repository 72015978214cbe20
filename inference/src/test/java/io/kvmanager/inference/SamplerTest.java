package io.kvmanager.inference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class SamplerTest {
    /** Logarithms of .5, .25, .125, .125, out of order. */
    private static final float[] LOGITS = logarithms(.125, .5, .125, .25);

    @Test
    void greedyTakesTheLargestAndTheFirstOnATie() {
        assertEquals(1, Sampler.greedy().sample(new float[] {1, 3, 3, 2}));
        assertInstanceOf(Sampler.Greedy.class, Sampler.of(0, .9, 1));
    }

    @Test
    void aSeedMeansTheSameTokens() {
        assertArrayEquals(draws(Sampler.of(1, 1, 42), 200), draws(Sampler.of(1, 1, 42), 200));
        assertFalse(Arrays.equals(draws(Sampler.of(1, 1, 42), 200), draws(Sampler.of(1, 1, 43), 200)));
        // The first draws of SplitMix64 with seed 42, taken by another program.
        int[] known = {3, 1, 1, 1, 1, 0, 1, 0, 1, 3, 1, 1, 3, 3, 3, 1};
        assertArrayEquals(known, draws(Sampler.of(1, 1, 42), 16));
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1,    .125, .5, .125, .25",
        "1, .7,   0, .6667, 0, .3333",
        "1, .5,   0, 1, 0, 0",
        "1, .8,   .1429, .5714, 0, .2857",
        ".5, 1,   .04545, .7273, .04545, .1818",
        "2, 1,    .1847, .3694, .1847, .2612"
    })
    void sharesFollowTemperatureAndNucleus(double temperature, double p, double a, double b, double c, double d) {
        int[] counts = new int[4];
        int n = 100_000;
        for (int id : draws(Sampler.of(temperature, p, 5), n)) {
            counts[id]++;
        }
        double[] expected = {a, b, c, d};
        for (int id = 0; id < 4; id++) {
            double tolerance = 4 * Math.sqrt(expected[id] * (1 - expected[id]) / n) + 1e-4;
            assertEquals(expected[id], counts[id] / (double) n, tolerance, "token " + id);
        }
    }

    @ParameterizedTest
    @CsvSource({"-1, .9", "NaN, .9", "Infinity, .9", "1, 0", "1, 1.1", "1, NaN"})
    void badSettingsAreRefused(double temperature, double p) {
        assertThrows(IllegalArgumentException.class, () -> Sampler.of(temperature, p, 1));
    }

    private static int[] draws(Sampler sampler, int count) {
        int[] ids = new int[count];
        Arrays.setAll(ids, i -> sampler.sample(LOGITS));
        return ids;
    }

    private static float[] logarithms(double... shares) {
        float[] logits = new float[shares.length];
        for (int i = 0; i < shares.length; i++) {
            logits[i] = (float) Math.log(shares[i]) + 3;
        }
        return logits;
    }
}
