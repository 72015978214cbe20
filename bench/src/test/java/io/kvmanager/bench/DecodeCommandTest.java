package io.kvmanager.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DecodeCommandTest {
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
        List<String> all = new ArrayList<>(List.of("decode"));
        all.addAll(List.of(words));
        return Kv.run(console, List.of(new DecodeCommand(console)), all.toArray(String[]::new));
    }

    @Test
    void aBudgetHoldsMoreWhereLessIsKept() throws IOException {
        Path json = folder.resolve("decode.json");
        int status = run(
                "--cache",
                "full,paged,local,pyramid+kcache,quest",
                "--device-bytes",
                "2M",
                "--prompt-tokens",
                "300",
                "--new-tokens",
                "3",
                "--contexts",
                "1024",
                "--attention-bytes",
                "40M",
                "--json",
                json.toString());
        assertEquals("", err.toString(StandardCharsets.UTF_8));
        assertEquals(0, status);
        JsonNode root = new ObjectMapper().readTree(json.toFile());
        assertTrue(root.get("readRoofBytesPerSecond").doubleValue() > 0);
        Map<String, Integer> sequences = new HashMap<>();
        for (JsonNode one : root.get("runs")) {
            String name = one.get("load").textValue() + " " + one.get("cache").textValue();
            sequences.put(name, one.get("sequences").intValue());
            assertTrue(
                    one.get("sequences").intValue()
                            >= one.get("sequencesPlanned").intValue(),
                    one::toString);
            assertTrue(
                    one.get("deviceBytesPeak").longValue()
                            <= one.get("deviceBytes").longValue(),
                    one::toString);
            assertTrue(one.get("tokensPerSecond").get("decode").doubleValue() > 0, one::toString);
            assertTrue(one.get("tokensPerSecond").get("floor").doubleValue() > 0, one::toString);
            assertTrue(one.get("attentionShare").doubleValue() <= 1, one::toString);
        }
        assertEquals(10, sequences.size());
        assertTrue(sequences.get("model paged") >= 1);
        assertTrue(sequences.get("model pyramid+kcache") > sequences.get("model paged"), sequences::toString);
        assertTrue(sequences.get("attention local") > sequences.get("attention full"), sequences::toString);
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
        --cache nothing; cache 'nothing' is unknown
        --contexts 4k; --contexts '4k' is not accepted; accepted: none, or numbers of tokens
        --device-bytes much; --device-bytes 'much' is not a size
        --prompt-tokens 1000 --new-tokens 100; exceed the model's context
        --new-tokens 0; --new-tokens '0' is not accepted
        --model /nowhere; is missing
        --speed 3; unknown option '--speed'
        """)
    void badInputIsOneLine(String words, String message) {
        Path file = folder.resolve("none.json");
        List<String> all = new ArrayList<>(List.of(words.split(" ")));
        all.addAll(List.of("--json", file.toString()));
        assertEquals(2, run(all.toArray(String[]::new)), out::toString);
        String line = err.toString(StandardCharsets.UTF_8);
        assertEquals(1, line.lines().count(), line);
        assertTrue(line.contains(message), line);
        assertFalse(Files.exists(file));
    }
}
