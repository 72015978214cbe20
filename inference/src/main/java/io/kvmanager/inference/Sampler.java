package io.kvmanager.inference;

import java.util.Arrays;

/** Chooses the next token. Holds state; one per generation. */
public sealed interface Sampler {

    /** The chosen id; {@code logits} {@code [vocabulary]} are read only. */
    int sample(float[] logits);

    /** Always the largest logit; the smaller id on a tie. */
    static Sampler greedy() {
        return new Greedy();
    }

    /**
     * Samples from the smallest set of tokens whose probability reaches {@code p}.
     *
     * @param temperature divides the logits; 0 = greedy
     * @param p probability mass to sample from, above 0, at most 1
     * @param seed of the generator
     */
    static Sampler of(double temperature, double p, long seed) {
        return temperature == 0 ? greedy() : new TopP(temperature, p, seed);
    }

    /** Always the largest logit. */
    record Greedy() implements Sampler {
        @Override
        public int sample(float[] logits) {
            return Scoring.best(logits);
        }
    }

    /**
     * Nucleus sampling. Tokens are put in order of probability, the smaller id first on a tie; the leading ones whose
     * sum reaches {@code p} are drawn from, each by its share.
     *
     * <p>Draws come from SplitMix64 (Steele, Lea, Flood 2014): a counter that grows by {@code 0x9e3779b97f4a7c15} and
     * is mixed; the upper 53 bits divided by 2^53 are the draw. A seed means the same draws on every machine and JDK.
     */
    final class TopP implements Sampler {
        private static final long GOLDEN_GAMMA = 0x9e3779b97f4a7c15L;

        private final double temperature;
        private final double p;
        private long counter;
        private double[] weights = {};
        private long[] order = {};

        TopP(double temperature, double p, long seed) {
            if (!(temperature > 0 && temperature < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException(
                        "temperature " + temperature + " is not accepted; accepted: 0 or above");
            }
            if (!(p > 0 && p <= 1)) {
                throw new IllegalArgumentException("top-p " + p + " is not accepted; accepted: above 0, at most 1");
            }
            this.temperature = temperature;
            this.p = p;
            counter = seed;
        }

        @Override
        public int sample(float[] logits) {
            if (weights.length < logits.length) {
                weights = new double[logits.length];
                order = new long[logits.length];
            }
            double total = weigh(logits);
            int candidates = order(logits.length, total);

            int nucleus = 0;
            double mass = 0;
            while (nucleus < candidates && mass < p * total) {
                mass += weights[id(nucleus++)];
            }
            double draw = uniform() * mass;
            for (int i = 0; i < nucleus - 1; i++) {
                draw -= weights[id(i)];
                if (draw < 0) {
                    return id(i);
                }
            }
            return id(nucleus - 1);
        }

        private double weigh(float[] logits) {
            float largest = logits[Scoring.best(logits)];
            double total = 0;
            for (int i = 0; i < logits.length; i++) {
                weights[i] = Math.exp((logits[i] - largest) / temperature);
                total += weights[i];
            }
            return total;
        }

        /**
         * Sorts the tokens that can be in the nucleus. Those below {@code (1 - p) / tokens} cannot: together they hold
         * less than {@code 1 - p}.
         */
        private int order(int tokens, double total) {
            double least = total * (1 - p) / tokens;
            int count = 0;
            for (int i = 0; i < tokens; i++) {
                if (weights[i] >= least) {
                    // The bits of a positive float are in the float's order; descending after the complement.
                    order[count++] = (long) ~Float.floatToRawIntBits((float) weights[i]) << 32 | i;
                }
            }
            Arrays.sort(order, 0, count);
            return count;
        }

        private int id(int rank) {
            return (int) order[rank];
        }

        private double uniform() {
            counter += GOLDEN_GAMMA;
            long z = counter;
            z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
            z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
            return ((z ^ (z >>> 31)) >>> 11) * 0x1p-53;
        }
    }
}
