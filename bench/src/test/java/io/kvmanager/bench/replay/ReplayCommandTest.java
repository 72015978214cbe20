package io.kvmanager.bench.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvmanager.inference.cli.Console;
import io.kvmanager.inference.cli.Kv;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReplayCommandTest {
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
        List<String> all = new ArrayList<>(List.of("replay"));
        all.addAll(List.of(words));
        return Kv.run(console, List.of(new ReplayCommand(console)), all.toArray(String[]::new));
    }

    @Test
    void everyPolicyAtEveryCapacity() throws IOException {
        Path json = folder.resolve("replay.json");
        Path report = folder.resolve("replay.html");
        int status = run(
                "--trace",
                SampleTraces.conversations(),
                "--block-tokens",
                "64",
                "--capacity-blocks",
                "60,20",
                "--policy",
                "all",
                "--json",
                json.toString(),
                "--report",
                report.toString());
        assertEquals("", err.toString(StandardCharsets.UTF_8));
        assertEquals(0, status);
        JsonNode root = new ObjectMapper().readTree(json.toFile());
        assertEquals("replay", root.get("command").textValue());
        JsonNode runs = root.get("runs");
        assertEquals(2 * TraceReplay.policies().size(), runs.size());
        for (JsonNode one : runs) {
            assertTrue(TraceReplay.policies().contains(one.get("policy").textValue()));
            assertTrue(List.of(20, 60).contains(one.get("capacityBlocks").intValue()));
            double blocks = one.get("hitRatioBlocks").doubleValue();
            assertTrue(blocks > 0 && blocks < 1, one.toString());
            assertTrue(one.get("hitRatioTokens").doubleValue() > 0);
            assertTrue(one.get("evictions").longValue() > 0);
            assertTrue(one.get("blockReferencesPerSecond").doubleValue() > 0);
        }
        String html = Files.readString(report);
        for (String policy : TraceReplay.policies()) {
            assertTrue(html.contains(policy), policy);
            assertTrue(out.toString(StandardCharsets.UTF_8).contains(policy), policy);
        }
        assertTrue(html.contains("<polyline"));
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "--policy | mru | --policy 'mru' is unknown; accepted: all, lru, slru",
                "--capacity-blocks | 0 | --capacity-blocks '0' is not accepted",
                "--capacity-blocks | 5,,6 | --capacity-blocks '' is not accepted",
                "--capacity-blocks | many | --capacity-blocks 'many'",
                "--block-tokens | 0 | --block-tokens '0' is not accepted; accepted: a whole number, 1",
                "--block-tokens | 100 | which are not blocks of 100 (--block-tokens)",
                "--block-tokens | x | accepted: a whole number",
                "--json | /absent/x.json | --json '/absent/x.json'",
                "--report | /absent/x.html | --report '/absent/x.html'",
                "--speed | 3 | unknown option '--speed' of kv replay"
            })
    void badInputIsOneLineAndStatus2(String flag, String value, String message) throws IOException {
        List<String> words = new ArrayList<>(List.of("--trace", SampleTraces.conversations(), flag, value));
        if (!flag.equals("--json")) {
            words.addAll(List.of("--json", folder.resolve("untouched.json").toString()));
        }
        assertEquals(2, run(words.toArray(String[]::new)));
        List<String> lines = err.toString(StandardCharsets.UTF_8).lines().toList();
        assertEquals(1, lines.size(), lines.toString());
        assertTrue(lines.getFirst().contains(message), lines.toString());
        assertEquals("", out.toString(StandardCharsets.UTF_8));
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(0, files.count(), "nothing is written");
        }
    }

    @Test
    void aTraceIsNeeded() {
        assertEquals(2, run());
        assertEquals(
                "kv: kv replay needs --trace <file>; kv replay --help shows all",
                err.toString(StandardCharsets.UTF_8).strip());
    }
}
