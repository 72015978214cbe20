package io.kvmanager.inference.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --json}. */
public final class JsonOption {
    @Option(names = "--json", paramLabel = "<file>", description = "Writes what was measured to a JSON file.")
    private @Nullable String file;

    /** Refuses a file that cannot be written; to be called before the work. */
    public void check() {
        if (file != null) {
            OutputFile.check("--json", file);
        }
    }

    /** Whether a file was asked for. */
    public boolean wanted() {
        return file != null;
    }

    /** Writes the file if it was asked for. */
    public void write(ObjectNode json) throws IOException {
        if (file != null) {
            OutputFile.check("--json", file).write(Json.text(json));
        }
    }
}
