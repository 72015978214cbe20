package io.kvmanager.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvmanager.inference.cli.Console;
import io.kvmanager.testing.CudaAvailable;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TransferCommandTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @TempDir
    Path folder;

    private int run(String... words) {
        Console console = new Console(
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                false,
                false,
                true);
        return TransferCommand.run(console, words);
    }

    /** Runs on a device and returns the rows as "way direction piece". */
    private Set<String> measured(String device) throws IOException {
        Path file = folder.resolve("transfer.json");
        int status = run(
                "--device", device, "--bytes", "32k", "--pieces", "2k,32k", "--rounds", "3", "--json", file.toString());
        assertEquals("", err.toString(StandardCharsets.UTF_8));
        assertEquals(0, status);
        JsonNode json = new ObjectMapper().readTree(Files.readString(file));
        assertEquals("bench transfer", json.path("command").asText());
        Set<String> rows = new TreeSet<>();
        for (JsonNode run : json.path("runs")) {
            assertTrue(run.path("nanosMin").asLong() > 0, run::toString);
            assertTrue(run.path("nanosMin").asLong() <= run.path("nanosMedian").asLong(), run::toString);
            assertTrue(run.path("nanosMedian").asLong() <= run.path("nanosMax").asLong(), run::toString);
            long bytes = run.path("pieceBytes").asLong();
            assertEquals(32768, bytes * run.path("pieces").asLong());
            rows.add(run.path("way").asText() + (run.path("toDevice").asBoolean() ? " in " : " out ") + bytes);
        }
        return rows;
    }

    @Test
    void theHostHasOneWay() throws IOException {
        assertEquals(
                Set.of(
                        "bulk in 32768",
                        "bulk out 32768",
                        "copy in 2048",
                        "copy in 32768",
                        "copy out 2048",
                        "copy out 32768"),
                measured("host:plain"));
        assertTrue(out.toString(StandardCharsets.UTF_8).contains("bulk"), out::toString);
    }

    @ParameterizedTest
    @CsvSource({
        "--pieces, 3k, 'accepted: powers of two'",
        "--pieces, '2k,', 'accepted: '",
        "--pieces, 64, 'accepted: powers of two'",
        "--bytes, 2G, 'accepted: powers of two'",
        "--rounds, 0, 'accepted: a whole number, 1 or more'",
        "--device, tape, 'accepted: auto'"
    })
    void badInputIsOneLine(String flag, String value, String says) {
        assertTrue(run(flag, value) != 0);
        String line = err.toString(StandardCharsets.UTF_8);
        assertTrue(line.contains(says), line);
        assertEquals(1, line.lines().count(), line);
        assertFalse(Files.exists(folder.resolve("transfer.json")));
    }

    @Nested
    @Tag("emulation")
    @Tag("gpu")
    @ExtendWith(CudaAvailable.class)
    class OnCuda {
        @Test
        void everyWayBringsEveryByte() throws IOException {
            Set<String> rows = measured(CudaAvailable.DEVICE);
            assertTrue(rows.containsAll(Set.of("single in 2048", "kernel in 2048", "single out 2048")), rows::toString);
            assertTrue(rows.contains("batch in 2048")
                    || out.toString(StandardCharsets.UTF_8).contains("batch: device"));
            assertFalse(rows.contains("kernel out 2048"), rows::toString);
        }
    }
}
