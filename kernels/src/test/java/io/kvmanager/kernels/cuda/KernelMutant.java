package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A copy of the kernels with a fault planted in it, compiled for the emulated driver. A test on it must fail, or it
 * would not notice the fault.
 */
public final class KernelMutant {
    private KernelMutant() {}

    /**
     * Compiles a changed copy of the sources; what is unchanged is not compiled again.
     *
     * @param sources the folder of the {@code .cu} files
     * @param name names the mutant's files
     * @param file the file to change
     * @param original text that the file has exactly once
     * @param replacement what stands in its place
     * @return the library, for {@link EmulatedDriver#useKernels}
     */
    public static Path build(Path sources, String name, String file, String original, String replacement)
            throws IOException, InterruptedException {
        Path copy = EmulatedDriver.folder().resolve("mutants").resolve(name);
        Files.createDirectories(copy);
        for (Path source : list(sources)) {
            Path target = copy.resolve(source.getFileName());
            String text = Files.readString(source);
            if (source.getFileName().toString().equals(file)) {
                assertEquals(2, text.split(Pattern.quote(original), -1).length, file + ": " + original);
                text = text.replace(original, replacement);
                if (!Files.exists(target) || !Files.readString(target).equals(text)) {
                    Files.writeString(target, text);
                }
            } else {
                Files.copy(source, target, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.COPY_ATTRIBUTES);
            }
        }
        Path script = EmulatedDriver.sources().resolve("build.sh");
        Process build = new ProcessBuilder(
                        script.toString(), EmulatedDriver.folder().toString(), copy.toString(), "mutant-" + name)
                .redirectErrorStream(true)
                .start();
        String output = new String(build.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, build.waitFor(), output);
        return EmulatedDriver.folder().resolve("libmutant-" + name + ".so");
    }

    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(Files::isRegularFile).toList();
        }
    }
}
