package io.kvmanager.bench.replay;

import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Assumptions;

/** Traces for tests: a small one of our own making, and files beside the repository. */
final class SampleTraces {
    /** Tokens of a block of {@link #conversations}. */
    static final int BLOCK_TOKENS = 64;

    private SampleTraces() {}

    /** 186 requests of 90 conversations that share a first block. */
    static String conversations() {
        URL found = Objects.requireNonNull(SampleTraces.class.getResource("conversations.jsonl"));
        try {
            return Path.of(found.toURI()).toString();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A file in {@code ../shared} beside the repository, or the test is skipped. */
    static Path shared(String name) {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null && !Files.isDirectory(folder.resolve("kvmanager"))) {
            folder = folder.getParent();
        }
        Path found =
                folder == null ? Path.of(name) : folder.resolveSibling("shared").resolve(name);
        Assumptions.assumeTrue(Files.exists(found), "skipped: no ../shared/" + name + " beside the repository");
        return found;
    }
}
