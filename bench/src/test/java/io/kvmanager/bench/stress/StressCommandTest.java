package io.kvmanager.bench.stress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
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
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StressCommandTest {
    private static final Pattern REPLAY = Pattern.compile("kv stress (--cache \\S+ --seed \\d+ .*?): ");

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @TempDir
    Path folder;

    private int run(String... words) {
        out.reset();
        err.reset();
        Console console = new Console(
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                false,
                false,
                true);
        List<String> all = new ArrayList<>(List.of("stress"));
        all.addAll(List.of(words));
        return Kv.run(console, List.of(new StressCommand(console)), all.toArray(String[]::new));
    }

    private JsonNode json(String... words) throws IOException {
        Path file = folder.resolve("stress.json");
        List<String> all = new ArrayList<>(List.of(words));
        all.addAll(List.of("--json", file.toString()));
        int status = run(all.toArray(String[]::new));
        assertEquals("", err.toString(StandardCharsets.UTF_8));
        JsonNode root = new ObjectMapper().readTree(file.toFile());
        assertEquals(root.get("violations").longValue() == 0 ? 0 : 1, status);
        return root;
    }

    /** One life of every cache, with every fault. */
    @Test
    void everyCacheHoldsUnderEveryFault() throws IOException {
        int caches = StressSetting.CACHES.size();
        JsonNode root = json("--operations", String.valueOf(caches * StressLife.OPERATIONS), "--seed", "20261129");
        assertEquals(0, root.get("violations").longValue(), out::toString);
        assertEquals(caches, root.get("runs").size());
        for (Fault fault : Fault.values()) {
            long injected = 0;
            for (JsonNode one : root.get("runs")) {
                injected += one.get("faultsInjected").get(fault.toString()).longValue();
            }
            assertTrue(injected > 0, fault + " was never injected");
        }
        for (JsonNode one : root.get("runs")) {
            assertEquals(StressLife.OPERATIONS, one.get("operations").longValue());
            assertTrue(one.get("outputsCompared").longValue() > 100, one::toString);
            assertEquals(0, one.get("leakedBytes").longValue());
            assertTrue(one.get("deviceBytesPeak").longValue() > 0);
            assertTrue(one.get("stepNanosP50").longValue()
                    <= one.get("stepNanosP99").longValue());
        }
    }

    @Test
    void threadsThatShareACache() throws IOException {
        JsonNode root = json("--cache", "paged,pyramid+kcache", "--operations", "1600", "--threads", "4");
        assertEquals(0, root.get("violations").longValue(), out::toString);
    }

    @Test
    void aSeedGivesTheSameRun() throws IOException {
        String[] words = {"--cache", "pyramid+kcache", "--seed", "11", "--operations", "300"};
        assertEquals(withoutTimes(json(words)), withoutTimes(json(words)));
    }

    private static JsonNode withoutTimes(JsonNode root) {
        ((ObjectNode) root).remove(List.of("nanos", "heapGrowthBytes"));
        root.get("runs").forEach(one -> ((ObjectNode) one).remove(List.of("stepNanosP50", "stepNanosP99")));
        return root;
    }

    /** What is wrong and says nothing is noticed, and noticed again by the command that the report names. */
    @ParameterizedTest
    @CsvSource({"lost-copy, paged", "lost-store, pyramid", "lost-load, paged", "other-home, kcache"})
    void aPlantedBugIsReported(String bug, String cache) throws IOException {
        JsonNode root = json(
                "--cache",
                cache,
                "--operations",
                "1600",
                "--seed",
                "5",
                "--faults",
                "none",
                "--device",
                "planted:" + bug);
        assertTrue(root.get("violations").longValue() > 0, bug + " was not noticed");
        String first = root.get("runs").get(0).get("firstViolations").get(0).textValue();
        assertTrue(first.contains("output is wrong"), first);
        Matcher replay = REPLAY.matcher(first);
        assertTrue(replay.find(), first);
        assertEquals(1, run(replay.group(1).split(" ")));
        assertTrue(out.toString(StandardCharsets.UTF_8).contains(first), "the replay finds something else");
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
        --seconds 0; --seconds '0' is not accepted
        --operations -3; --operations '-3' is not accepted
        --cache nothing; --cache 'nothing' is not accepted
        --faults fire; fault 'fire' is unknown; accepted: all, none, allocate
        --device-bytes much; --device-bytes 'much' is not a size
        --device-bytes 64; DEVICE memory is short
        --threads 0; --threads '0' is not accepted
        --device nowhere; device 'nowhere' is unknown
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
