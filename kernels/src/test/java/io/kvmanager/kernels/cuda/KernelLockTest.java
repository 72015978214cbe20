package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The committed PTX is that of the committed sources. */
class KernelLockTest {
    private static final Pattern RELEASE = Pattern.compile(", V([0-9.]+)");

    @Test
    void sourcesAndPtxAreThoseOfTheLock() throws IOException {
        assertEquals(List.of(), KernelLock.read(KernelLock.PTX).drift(KernelLock.SOURCES, KernelLock.PTX));
    }

    @Test
    void everySourceHasItsPtxAndAnOldVersion() throws IOException {
        KernelLock lock = KernelLock.read(KernelLock.PTX);
        List<String> expected = lock.sources().keySet().stream()
                .filter(name -> name.endsWith(".cu"))
                .map(name -> name.replace(".cu", ".ptx"))
                .toList();
        assertEquals(expected, List.copyOf(lock.ptx().keySet()));
        for (String name : expected) {
            String text = Files.readString(KernelLock.PTX.resolve(name));
            assertTrue(text.contains("\n.version 7.8\n.target sm_80\n"), name);
        }
    }

    @Test
    void driftIsNoticed(@TempDir Path folder) throws IOException {
        Path sources = Files.createDirectory(folder.resolve("cuda"));
        Path ptx = Files.createDirectory(folder.resolve("ptx"));
        copy(KernelLock.SOURCES, sources);
        copy(KernelLock.PTX, ptx);
        Files.writeString(sources.resolve("layout.cuh"), "// changed\n");
        Files.writeString(sources.resolve("more.cu"), "// new\n");
        Files.delete(ptx.resolve("rows.ptx"));
        assertEquals(
                List.of(
                        "source layout.cuh has changed" + KernelLock.REMEDY,
                        "source more.cu is new" + KernelLock.REMEDY,
                        "PTX rows.ptx is gone" + KernelLock.REMEDY),
                KernelLock.read(ptx).drift(sources, ptx));
    }

    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }

    @Test
    void theSameCompilerMakesTheSamePtx(@TempDir Path folder) throws IOException, InterruptedException {
        KernelLock lock = KernelLock.read(KernelLock.PTX);
        assumeTrue(lock.nvcc().equals(nvcc(folder)), () -> "nvcc " + lock.nvcc() + " is not on the PATH");
        Path built = Files.createDirectory(folder.resolve("ptx"));
        Path log = folder.resolve("ptx.log");
        assertEquals(0, run(log, "./ptx.sh", built.toString()), () -> read(log));
        Map<String, String> hashes = KernelLock.hashes(built, ".ptx");
        assertEquals(lock.ptx(), hashes, "kernels/ptx.sh renews them");
    }

    /** Release of the compiler on the PATH, empty if there is none. */
    private static String nvcc(Path folder) throws InterruptedException {
        Path log = folder.resolve("nvcc.log");
        try {
            Matcher release = RELEASE.matcher(run(log, "nvcc", "--version") == 0 ? Files.readString(log) : "");
            return release.find() ? release.group(1) : "";
        } catch (IOException e) {
            return "";
        }
    }

    private static int run(Path log, String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start()
                .waitFor();
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return file + " cannot be read: " + e.getMessage();
        }
    }
}
