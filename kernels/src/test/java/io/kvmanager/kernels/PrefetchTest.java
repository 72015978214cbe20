package io.kvmanager.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.kvmanager.ElementType;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class PrefetchTest {
    private static final int ROUNDS = 30_000;

    @Test
    void anyAddressMayBeAskedFor() {
        assumeTrue("amd64".equals(System.getProperty("os.arch")) && SystemCalls.CALLS != null, "x86-64 Linux only");
        Prefetch.Lines lines = assertNotNullLines();
        long before = 1;
        for (int i = 0; i < ROUNDS; i++) {
            lines.ahead(0, -1, 4096L * i, Long.MIN_VALUE + i, 1 + i % 300);
            before = 31 * before + i;
        }
        long expected = 1;
        for (int i = 0; i < ROUNDS; i++) {
            expected = 31 * expected + i;
        }
        assertEquals(expected, before, "registers of the caller");
    }

    private static Prefetch.Lines assertNotNullLines() {
        assertNotNull(Prefetch.LINES);
        return Prefetch.LINES;
    }

    @Test
    void resultsAreTheSameWithoutIt() throws Exception {
        String with = results("true");
        assertFalse(with.isBlank());
        assertEquals(with, results("false"));
    }

    private static String results(String prefetch) throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-Dkv.prefetch=" + prefetch,
                        "-cp",
                        System.getProperty("java.class.path"),
                        PrefetchTest.class.getName())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor());
        return output.strip();
    }

    /** Prints what attention over a long context gives, in short. */
    public static void main(String[] arguments) {
        for (ElementType type : ElementType.values()) {
            System.out.println(Arrays.hashCode(VectorAgreesWithPlainTest.attend("vector,threads=2", type, 16, 0)));
        }
    }
}
