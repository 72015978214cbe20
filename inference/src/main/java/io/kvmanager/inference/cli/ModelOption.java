package io.kvmanager.inference.cli;

import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelFormatException;
import picocli.CommandLine.Option;

/** {@code --model}. */
final class ModelOption {
    @Option(
            names = {"-m", "--model"},
            paramLabel = "<model>",
            description = "The model: " + Model.ACCEPTED + ". Default: ${DEFAULT-VALUE}.")
    private String model = Model.EMBEDDED;

    /** The name or path as written. */
    String name() {
        return model;
    }

    /** Reads it. */
    Model load() {
        try {
            return Model.load(model);
        } catch (ModelFormatException e) {
            throw BadInput.of("--model", e);
        }
    }
}
