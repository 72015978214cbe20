package io.kvmanager.inference.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every command, as a user calls it. */
final class CommandsTest {
    private static final List<String> ENVELOPE = List.of("schema", "command", "device", "jvm", "model", "runs");
    private static final List<String> RUN = List.of(
            "cache",
            "configuration",
            "deviceBytesPeak",
            "hostBytesPeak",
            "fullBytes",
            "retainedTokensPerLayer",
            "bytesFetched",
            "tokensPerSecond");

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"generate", "demo", "plan", "devices"})
    void everyCommandHasHelp(String command) {
        CommandLineRun run = CommandLineRun.of(command, "--help");
        assertEquals(0, run.status());
        assertTrue(run.out().startsWith("Usage: kv " + command), run.out());
        assertEquals("", run.err());
    }

    @Test
    void withoutACommandItSaysWhatThereIs() {
        assertEquals(CommandLineRun.of("--help"), CommandLineRun.of());
        assertTrue(CommandLineRun.of().out().contains("generate"));
        assertTrue(CommandLineRun.of("--version").out().startsWith("kv "));
    }

    @Test
    void aSeedMeansTheSameText() {
        String first = generated("1", "pyramid+kcache");
        assertEquals(first, generated("1", "pyramid+kcache"));
        assertNotEquals(first, generated("2", "pyramid+kcache"));
        assertEquals(generated("1", "full"), generated("1", "paged"));
    }

    /** The text without the memory line. */
    private static String generated(String seed, String cache) {
        CommandLineRun run =
                CommandLineRun.of("generate", "-p", "Once upon a time", "-n", "12", "--seed", seed, "--cache", cache);
        assertEquals(0, run.status(), run.err());
        assertEquals("", run.err());
        String text = run.out().strip();
        assertTrue(text.startsWith("Once upon a time"), text);
        String memory = text.substring(text.lastIndexOf('\n') + 1);
        assertTrue(memory.startsWith(cache + ": device ") && memory.contains("tokens/s prefill"), memory);
        return text.substring(0, text.lastIndexOf('\n'));
    }

    @Test
    void generateWritesWhatItMeasured() throws IOException {
        Path file = folder.resolve("generate.json");
        CommandLineRun run = CommandLineRun.of(
                "generate", "-p", "Once upon a time", "-n", "5", "-t", "0", "--json", file.toString());
        assertEquals(0, run.status(), run.err());
        JsonNode root = new ObjectMapper().readTree(file.toFile());
        assertEquals(ENVELOPE, names(root));
        assertEquals("kv/1", root.get("schema").asText());
        assertEquals("generate", root.get("command").asText());
        JsonNode only = root.get("runs").get(0);
        assertEquals(RUN, names(only).subList(0, RUN.size()));
        assertEquals(12, only.get("retainedTokensPerLayer").size());
        assertEquals(5, only.get("generatedTokens").asInt());
        assertTrue(only.get("deviceBytesPeak").asLong() > 0);
        try (var files = Files.list(folder)) {
            assertEquals(List.of(file), files.toList(), "nothing is left behind");
        }
    }

    @Test
    void theDemoRunsEveryCacheAndWritesItsReport() throws Exception {
        Path json = folder.resolve("demo.json");
        Path html = folder.resolve("demo.html");
        CommandLineRun run = CommandLineRun.of(
                "demo",
                "--quick",
                "--prompt",
                "Once upon a time",
                "--tokens",
                "4",
                "--report",
                html.toString(),
                "--json",
                json.toString());
        assertEquals(0, run.status(), run.err());
        assertEquals("", run.err());
        JsonNode root = new ObjectMapper().readTree(json.toFile());
        assertEquals(ENVELOPE, names(root));
        List<String> caches = new ArrayList<>();
        for (JsonNode one : root.get("runs")) {
            caches.add(one.get("cache").asText());
            assertTrue(one.get("perplexity").asDouble() > 1, one.toString());
            assertTrue(run.out().contains(caches.getLast()));
        }
        assertEquals(List.of("full", "paged", "local", "pyramid", "kcache", "pyramid+kcache"), caches);
        assertEquals(1, root.get("runs").get(0).get("topOneAgreement").asDouble());
        ReportTest.parsed(Files.readString(html));
    }

    @Test
    void devicesListsTheHost() throws IOException {
        Path file = folder.resolve("devices.json");
        CommandLineRun run = CommandLineRun.of("devices", "--json", file.toString());
        assertEquals(0, run.status(), run.err());
        assertTrue(run.out().contains("host"), run.out());
        JsonNode root = new ObjectMapper().readTree(file.toFile());
        assertEquals(List.of("schema", "command", "device", "jvm", "runs"), names(root));
    }

    private static List<String> names(JsonNode node) {
        List<String> names = new ArrayList<>();
        node.fieldNames().forEachRemaining(names::add);
        return names;
    }
}
