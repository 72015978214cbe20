package io.kvmanager.inference.model;

import io.kvmanager.RetentionPolicy;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/** Where a model's files are: a folder, or the jar. */
sealed interface ModelSource {

    /** The name of a file as messages show it. */
    String path(String file);

    /** The bytes of a file, valid as long as {@code arena}; empty if there is none. */
    Optional<MemorySegment> open(String file, Arena arena);

    /** {@link #open} of a file that must be there. */
    default MemorySegment require(String file, Arena arena) {
        return open(file, arena)
                .orElseThrow(() -> new ModelFormatException(path(file), "is missing; accepted: " + Model.ACCEPTED));
    }

    /** A small file as an array; empty if there is none. */
    default Optional<byte[]> read(String file) {
        try (Arena arena = Arena.ofConfined()) {
            return open(file, arena).map(bytes -> bytes.toArray(ValueLayout.JAVA_BYTE));
        }
    }

    /** The JSON object in a file that must be there. */
    default JsonFields json(String file) {
        try (Arena arena = Arena.ofConfined()) {
            return JsonFields.parse(path(file), require(file, arena).toArray(ValueLayout.JAVA_BYTE));
        }
    }

    /** The retention profile, where there is one. */
    default Optional<RetentionPolicy.PerLayer> profile(ModelConfig config) {
        return read(RetentionProfile.FILE_NAME).map(text -> {
            RetentionPolicy.PerLayer profile = RetentionProfile.parse(path(RetentionProfile.FILE_NAME), text);
            if (profile.shares().size() != config.layers()) {
                throw new ModelFormatException(
                        path(RetentionProfile.FILE_NAME),
                        "lists " + profile.shares().size() + " layers, the model has " + config.layers());
            }
            return profile;
        });
    }

    /** Files of a folder, mapped. */
    record Folder(Path folder) implements ModelSource {
        @Override
        public String path(String file) {
            return folder.resolve(file).toString();
        }

        @Override
        public Optional<MemorySegment> open(String file, Arena arena) {
            Path path = folder.resolve(file);
            if (!Files.exists(path)) {
                return Optional.empty();
            }
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
                return Optional.of(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
            } catch (NoSuchFileException e) {
                return Optional.empty();
            } catch (IOException e) {
                throw new ModelFormatException(path.toString(), "cannot be read: " + e.getMessage(), e);
            }
        }
    }

    /** Resources of the jar. */
    record Embedded(String folder) implements ModelSource {
        @Override
        public String path(String file) {
            return "embedded model, " + file;
        }

        @Override
        public Optional<MemorySegment> open(String file, Arena arena) {
            try (InputStream stream = Embedded.class.getResourceAsStream(folder + file)) {
                return Optional.ofNullable(stream == null ? null : MemorySegment.ofArray(stream.readAllBytes()));
            } catch (IOException e) {
                throw new ModelFormatException(path(file), "cannot be read: " + e.getMessage(), e);
            }
        }
    }
}
