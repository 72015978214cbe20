package io.kvmanager.inference.cli;

import io.kvmanager.RetentionPolicy.PerLayer;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelFormatException;
import io.kvmanager.inference.model.RetentionProfile;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --model} and {@code --profile}. */
final class ModelOption {
    @Option(
            names = {"-m", "--model"},
            paramLabel = "<model>",
            description = "The model: " + Model.ACCEPTED + ". Default: ${DEFAULT-VALUE}.")
    private String model = Model.EMBEDDED;

    @Option(
            names = "--profile",
            paramLabel = "<file>",
            description = "A retention profile to use instead of the model's own; what kv calibrate writes.")
    private @Nullable String profile;

    /** The name or path as written. */
    String name() {
        return model;
    }

    /** Reads it. */
    Model load() {
        Model loaded;
        try {
            loaded = Model.load(model);
        } catch (ModelFormatException e) {
            throw BadInput.of("--model", e);
        }
        return profile == null ? loaded : withProfile(loaded, profile);
    }

    private static Model withProfile(Model model, String file) {
        try {
            PerLayer profile = RetentionProfile.read(Path.of(file));
            if (profile.shares().size() != model.config().layers()) {
                throw new BadInput("--profile '" + file + "' lists "
                        + profile.shares().size() + " layers; model " + model.name() + " has "
                        + model.config().layers());
            }
            return new Model(model.name(), model.config(), model.weights(), model.tokenizer(), Optional.of(profile));
        } catch (InvalidPathException e) {
            throw new BadInput("--profile '" + file + "' is no path");
        } catch (ModelFormatException e) {
            throw BadInput.of("--profile", e);
        }
    }
}
