package io.kvmanager.inference.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/** A file that a flag names, checked before the work and written whole or not at all. */
public final class OutputFile {
    private final String flag;
    private final Path path;
    private final Path folder;

    private OutputFile(String flag, Path path, Path folder) {
        this.flag = flag;
        this.path = path;
        this.folder = folder;
    }

    /** Checks that {@code name} can be written; writes nothing. */
    public static OutputFile check(String flag, String name) {
        String accepted = "; accepted: a file in a folder that exists and can be written";
        Path path;
        try {
            path = Path.of(name);
        } catch (InvalidPathException e) {
            throw new BadInput(flag + " '" + name + "' is no path" + accepted);
        }
        Path folder = path.toAbsolutePath().getParent();
        if (name.isBlank() || folder == null || Files.isDirectory(path)) {
            throw new BadInput(flag + " '" + name + "' is a folder" + accepted);
        }
        if (!Files.isDirectory(folder)) {
            throw new BadInput(flag + " '" + name + "': folder " + folder + " is missing" + accepted);
        }
        if (!Files.isWritable(folder) || (Files.exists(path) && !Files.isWritable(path))) {
            throw new BadInput(flag + " '" + name + "' cannot be written" + accepted);
        }
        return new OutputFile(flag, path, folder);
    }

    /** Where it will be. */
    public Path path() {
        return path;
    }

    /** Replaces the file's content in one step. */
    public void write(String text) throws IOException {
        Path next = folder.resolve(".kv-" + UUID.randomUUID() + ".part");
        try {
            Files.writeString(next, text, StandardCharsets.UTF_8, StandardOpenOption.CREATE_NEW);
            Files.move(next, path, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new IOException(flag + " '" + path + "' cannot be written: " + e.getMessage(), e);
        } finally {
            Files.deleteIfExists(next);
        }
    }
}
