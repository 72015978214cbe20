package io.kvmanager.inference.cli;

import io.kvmanager.inference.Sampler;
import picocli.CommandLine.Option;

/** {@code --temperature}, {@code --top-p} and {@code --seed}. */
final class SamplingOptions {
    @Option(
            names = {"-t", "--temperature"},
            paramLabel = "<t>",
            description = "0 takes the likeliest token every time. Default: ${DEFAULT-VALUE}.")
    private double temperature = 0.8;

    @Option(
            names = "--top-p",
            paramLabel = "<p>",
            description = "Probability that is sampled from, above 0, at most 1. Default: ${DEFAULT-VALUE}.")
    private double topP = 0.95;

    @Option(
            names = "--seed",
            paramLabel = "<n>",
            description = "The same seed gives the same text. Default: ${DEFAULT-VALUE}.")
    private long seed = 1;

    /** A fresh sampler; bad input if a value is out of range. */
    Sampler sampler() {
        if (!(temperature >= 0 && temperature < Double.POSITIVE_INFINITY)) {
            throw new BadInput("--temperature '" + temperature + "' is not accepted; accepted: 0 or above");
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new BadInput("--top-p '" + topP + "' is not accepted; accepted: above 0, at most 1");
        }
        return Sampler.of(temperature, topP, seed);
    }
}
