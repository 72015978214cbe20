package io.kvmanager.inference.model;

import io.kvmanager.RetentionPolicy;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A model, read and ready: configuration, weights, tokenizer, and the retention profile that was measured for it.
 *
 * @param name what it was loaded as
 * @param config shape
 * @param weights parameters, F32
 * @param tokenizer text to ids and back
 * @param profile what {@code kv calibrate} measured, where it lies beside the model
 */
public record Model(
        String name,
        ModelConfig config,
        ModelWeights weights,
        Tokenizer tokenizer,
        Optional<RetentionPolicy.PerLayer> profile) {

    /** The name of the model in the jar. */
    public static final String EMBEDDED = "embedded";

    private static final String EMBEDDED_FOLDER = "/io/kvmanager/inference/embedded/";

    /** What {@link #load} accepts. */
    public static final String ACCEPTED = "embedded, a folder with config.json, model.safetensors and tokenizer.json, "
            + "or a llama2.c .bin file with its tokenizer.bin beside it";

    /**
     * Reads a model.
     *
     * @param nameOrPath one of {@link #ACCEPTED}
     * @throws ModelFormatException if there is no such model or a file of it cannot be used
     */
    public static Model load(String nameOrPath) {
        if (nameOrPath.equals(EMBEDDED)) {
            return LlamaFolder.read(EMBEDDED, new ModelSource.Embedded(EMBEDDED_FOLDER));
        }
        Path path;
        try {
            path = Path.of(nameOrPath);
        } catch (InvalidPathException e) {
            throw new ModelFormatException("model '" + nameOrPath + "'", "is no path; accepted: " + ACCEPTED, e);
        }
        if (Files.isDirectory(path)) {
            return LlamaFolder.read(nameOrPath, new ModelSource.Folder(path));
        }
        if (Files.isRegularFile(path) && nameOrPath.endsWith(".bin")) {
            return Llama2cFile.read(nameOrPath, path);
        }
        String problem = Files.exists(path) ? "is not a model" : "is missing";
        throw new ModelFormatException("model '" + nameOrPath + "'", problem + "; accepted: " + ACCEPTED);
    }
}
