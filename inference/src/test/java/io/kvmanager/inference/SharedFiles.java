package io.kvmanager.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** Reference files beside the repository, in {@code ../shared}; a test that needs one skips where it is absent. */
public final class SharedFiles {
    private SharedFiles() {}

    /** The file or folder, or the test is skipped. */
    public static Path path(String name) {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null && !Files.isDirectory(folder.resolve("kvmanager"))) {
            folder = folder.getParent();
        }
        Path found =
                folder == null ? Path.of(name) : folder.resolveSibling("shared").resolve(name);
        Assumptions.assumeTrue(Files.exists(found), "skipped: no ../shared/" + name + " beside the repository");
        return found;
    }

    /** The JSON in a file, or the test is skipped. */
    public static JsonNode json(String name) {
        try {
            return new ObjectMapper().readTree(path(name).toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
