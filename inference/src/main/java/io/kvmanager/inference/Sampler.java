package io.kvmanager.inference;

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

    /** Nucleus sampling. */
    final class TopP implements Sampler {
        TopP(double temperature, double p, long seed) {
            throw new UnsupportedOperationException("not built yet");
        }

        @Override
        public int sample(float[] logits) {
            throw new UnsupportedOperationException("not built yet");
        }
    }
}
