package io.kvmanager.inference.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The same seed gives the same files, byte for byte, apart from times. */
final class DeterminismTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    @TempDir
    Path folder;

    @Test
    void compareWritesTheSameTwice() throws Exception {
        Path text = Files.writeString(folder.resolve("text.txt"), "The miller walked along the wall.\n".repeat(400));
        String first = compared(text, "first");
        assertEquals(first, compared(text, "second"));
        JsonNode runs = MAPPER.readTree(first).get("runs");
        assertEquals("paged", runs.get(1).get("cache").asText());
        for (JsonNode run : runs) {
            assertTrue(run.get("attentionErrorMean").asDouble() >= 0, run.toString());
            assertEquals(12, run.get("droppedMassPerLayer").size());
            assertEquals(4, run.get("questions").asInt());
            assertTrue(run.get("recallByDistance").size() > 0
                    && run.get("recallByDepth").size() > 0);
        }
        assertEquals(.9, runs.get(2).get("budget").asDouble());
        assertTrue(runs.get(2).get("deviceShare").asDouble() <= .9);
        assertEquals(11, runs.get(3).get("bytesFetchedPerStep").size());
        ReportTest.parsed(Files.readString(folder.resolve("first.html")));
        assertTrue(Files.readString(folder.resolve("first.md")).startsWith("| cache | device |"));
        assertEquals(Files.readString(folder.resolve("first.md")), Files.readString(folder.resolve("second.md")));
    }

    /** The JSON that a comparison writes, without speeds. */
    private String compared(Path text, String name) throws IOException {
        Path json = folder.resolve(name + ".json");
        CommandLineRun run = CommandLineRun.of(
                "compare",
                "--text",
                text.toString(),
                "--prompt-tokens",
                "120",
                "--new-tokens",
                "12",
                "--windows",
                "2",
                "--questions",
                "3",
                "--filling-questions",
                "1",
                "--budgets",
                ".9",
                "--caches",
                "paged,fitted=pyramid[retention=profile^{8.0..0}],kcache[selection=topN(1)]",
                "--json",
                json.toString(),
                "--markdown",
                folder.resolve(name + ".md").toString(),
                "--report",
                folder.resolve(name + ".html").toString());
        assertEquals(0, run.status(), run.err());
        ObjectNode root = (ObjectNode) MAPPER.readTree(json.toFile());
        for (JsonNode one : root.get("runs")) {
            assertTrue(one.get("tokensPerSecond").get("decode").asDouble() > 0);
            ((ObjectNode) one).remove("tokensPerSecond");
        }
        return root.toString();
    }
}
