package io.kvmanager.inference.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvmanager.testing.CudaAvailable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** {@code --device cuda:0} on the command line says what {@code --device host} says. */
@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaCommandsTest {
    private static final List<String> DEVICES = List.of("host:plain", CudaAvailable.DEVICE);
    private static final String STORY = """
        There was once a miller who had three sons, and when he died he left them nothing but his mill, his donkey \
        and his cat. The eldest took the mill, the second took the donkey, and the youngest had to take the cat. He \
        was sorry to have so little, but the cat said to him: give me a bag and a pair of boots.
        """;

    @TempDir
    Path folder;

    private static CommandLineRun run(String... words) {
        CommandLineRun run = CommandLineRun.of(words);
        assertEquals(0, run.status(), run::err);
        return run;
    }

    @Test
    void compareFetchesTheSameTilesAndAgreesAsOften() throws IOException {
        Path text = Files.writeString(folder.resolve("story.txt"), STORY);
        List<JsonNode> results = new ArrayList<>();
        for (String device : DEVICES) {
            Path json = folder.resolve("compare.json");
            run(
                    "compare",
                    "--text",
                    text.toString(),
                    "--prompt-tokens",
                    "48",
                    "--new-tokens",
                    "3",
                    "--windows",
                    "1",
                    "--questions",
                    "0",
                    "--filling-questions",
                    "0",
                    "--caches",
                    "kcache[selection=topN(1),recentTokens=16],pyramid+kcache[selection=topN(1),recentTokens=8],"
                            + "kcache[selection=certified(0.05),recentTokens=16],"
                            + "kcache[selection=certified(0.02),compensation=int4,recentTokens=16]",
                    "--device",
                    device,
                    "--json",
                    json.toString());
            results.add(new ObjectMapper().readTree(Files.readString(json)).path("runs"));
        }
        JsonNode host = results.getFirst();
        JsonNode cuda = results.getLast();
        assertEquals(5, host.size());
        assertTrue(host.path(1).path("bytesFetched").asLong() > 0, "the host fetches nothing");
        for (int i = 0; i < host.size(); i++) {
            for (String exact : List.of("cache", "retainedTokensPerLayer", "bytesFetched", "topOneAgreement")) {
                assertEquals(host.path(i).path(exact), cuda.path(i).path(exact), exact);
            }
            for (String close : List.of("perplexity", "missedMassMean")) {
                double expected = host.path(i).path(close).asDouble();
                assertEquals(expected, cuda.path(i).path(close).asDouble(), 2e-3 * expected, close);
            }
        }
    }

    @Test
    void generateWritesTheSameText() {
        List<String> texts = new ArrayList<>();
        for (String device : DEVICES) {
            String out = run(
                            "generate",
                            "--prompt",
                            STORY.substring(0, 120),
                            "--max-tokens",
                            "5",
                            "--temperature",
                            "0",
                            "--device",
                            device)
                    .out();
            texts.add(out.substring(0, out.lastIndexOf("pyramid+kcache:"))); // memory and speed stand behind
        }
        assertEquals(texts.getFirst(), texts.getLast());
    }

    @Test
    void devicesAndPlansKnowTheDevice() {
        String cuda = run("devices")
                .out()
                .lines()
                .filter(line -> line.startsWith("cuda"))
                .findFirst()
                .orElseThrow();
        assertTrue(cuda.contains("yes"), cuda);
        assertTrue(run("plan", "--context", "500", "--batch", "2", "--device", CudaAvailable.DEVICE)
                .out()
                .contains("blocks"));
    }
}
