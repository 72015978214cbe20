package io.kvmanager.inference.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.inference.model.Model;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Bad input: status 2, one line that names what is wrong and what is accepted, nothing written. */
final class BadInputTest {
    private static final String EMBEDDED = "/io/kvmanager/inference/embedded/";

    @TempDir
    Path folder;

    static Stream<Arguments> badInput() {
        return Stream.of(
                bad("unknown command 'dmeo'", "accepted: ", "dmeo"),
                bad("'--promt'", "accepted: ", "generate", "--promt", "x"),
                bad("--prompt", "needs", "generate"),
                bad("--prompt", "accepted: ", "generate", "-p", ""),
                bad("'y'", "accepted: ", "generate", "-p", "x", "y"),
                bad("--max-tokens", "accepted: a whole number", "generate", "-p", "x", "-n", "many"),
                bad("--max-tokens '0'", "accepted: a whole number, 1 or more", "generate", "-p", "x", "-n", "0"),
                bad("--max-tokens '-3'", "accepted: ", "generate", "-p", "x", "--max-tokens=-3"),
                bad("--temperature '-1.0'", "accepted: 0 or above", "generate", "-p", "x", "--temperature=-1"),
                bad("--temperature 'NaN'", "accepted: 0 or above", "generate", "-p", "x", "-t", "NaN"),
                bad("--top-p '0.0'", "accepted: above 0", "generate", "-p", "x", "--top-p", "0"),
                bad("--seed", "accepted: a whole number", "generate", "-p", "x", "--seed", "x"),
                bad("--cache: cache 'h2'", "accepted: full, paged", "generate", "-p", "x", "-c", "h2"),
                bad("device 'gpu'", "accepted: auto, host, cuda", "generate", "-p", "x", "--device", "gpu"),
                bad("host", "accepted: ", "generate", "-p", "x", "--device", "host:fast"),
                bad("--set 'retention'", "accepted keys: ", "generate", "-p", "x", "--set", "retention"),
                bad("--set colour=red", "accepted: retention", "generate", "-p", "x", "--set", "colour=red"),
                bad("retention 'most'", "accepted: all", "generate", "-p", "x", "--set", "retention=most"),
                bad("selection", "accepted: ", "generate", "-p", "x", "--set", "selection=best(3)"),
                bad("compensation", "accepted: ", "generate", "-p", "x", "--set", "compensation=magic"),
                bad("budget 1.5", "accepted: a share", "generate", "-p", "x", "-c", "h2o", "--set", "budget=1.5"),
                bad("budget 0.3", "accepted: cache local", "generate", "-p", "x", "--set", "budget=.3"),
                bad("elementType 'f8'", "accepted: f32", "generate", "-p", "x", "--set", "elementType=f8"),
                bad("blockTokens 12", "accepted: a power of two", "generate", "-p", "x", "--set", "blockTokens=12"),
                bad("deviceBytes 'lots'", "accepted: bytes", "generate", "-p", "x", "--set", "deviceBytes=lots"),
                bad("DEVICE memory is short", "raise deviceBytes", "generate", "-p", "x", "--set", "deviceBytes=1k"),
                bad("--profile: ", "none.json", "generate", "-p", "x", "--profile", "none.json"),
                bad("--budgets 'x'", "above 0", "compare", "-t", "x", "--budgets", ".3,x"),
                bad("--budgets '-1'", "above 0", "compare", "-t", "x", "--budgets=-1"),
                bad("has a range", "--budgets", "compare", "-t", "x", "--caches", "pyramid[retention=profile^{2..1}]"),
                bad("'x'", "a number", "compare", "-t", "x", "--caches", "pyramid[retention=profile^{x..1}]"),
                bad("2 layers", "the model has 12", "generate", "-p", "x", "--set", "retention=layers(1/1)"),
                bad(
                        "does not go with cache full",
                        "accepted: all",
                        "generate",
                        "-p",
                        "x",
                        "-c",
                        "full",
                        "--set",
                        "retention=half"),
                bad("no-such-model", "accepted: embedded", "generate", "-p", "x", "-m", "no-such-model"),
                bad("accepted: 1 to 1024", "--prompt of", "generate", "-p", "word ".repeat(1100)),
                bad("--json", "accepted: a file", "generate", "-p", "x", "--json", "no/such/folder/x.json"),
                bad("--tokens '0'", "accepted: ", "demo", "-n", "0"),
                bad("--report", "accepted: a file", "demo", "--report", "no/such/folder/x.html"),
                bad("--context", "needs", "plan"),
                bad("--context '0'", "accepted: ", "plan", "--context", "0"),
                bad("--prompt 9", "accepted: 1 to --context 8", "plan", "--context", "8", "--prompt", "9"),
                bad("--batch '0'", "accepted: ", "plan", "--context", "8", "--batch", "0"),
                bad("--device-bytes 'x'", "accepted: bytes", "plan", "--context", "8", "--device-bytes", "x"),
                bad("--host-bytes '0'", "accepted: 1 byte", "plan", "--context", "8", "--host-bytes", "0"),
                bad("needs", "--kv-heads", "plan", "--context", "8", "--layers", "3"),
                bad(
                        "queryHeads 3",
                        "not a multiple of kvHeads 2",
                        "plan",
                        "--context",
                        "8",
                        "--layers",
                        "3",
                        "--query-heads",
                        "3",
                        "--kv-heads",
                        "2",
                        "--head-size",
                        "8"),
                bad("'--all'", "accepted: ", "devices", "--all"));
    }

    private static Arguments bad(String named, String accepted, String... words) {
        return Arguments.of(named, accepted, List.of(words));
    }

    @ParameterizedTest
    @MethodSource("badInput")
    void isOneLineWithStatusTwo(String named, String accepted, List<String> words) throws IOException {
        Path json = folder.resolve("out.json");
        List<String> all = new ArrayList<>(words);
        if (!words.contains("--json") && words.size() > 1) {
            all.addAll(1, List.of("--json", json.toString()));
        }
        CommandLineRun run = CommandLineRun.of(all.toArray(String[]::new));
        assertRefused(run, named, accepted);
        assertFalse(Files.exists(json), "wrote " + json);
    }

    @Test
    void aTruncatedModelNamesItsFile() throws IOException {
        for (String file : List.of("config.json", "tokenizer.json", "model.safetensors")) {
            byte[] bytes = Model.class.getResourceAsStream(EMBEDDED + file).readAllBytes();
            boolean weights = file.equals("model.safetensors");
            Files.write(folder.resolve(file), weights ? java.util.Arrays.copyOf(bytes, bytes.length / 2) : bytes);
        }
        CommandLineRun run = CommandLineRun.of("generate", "-p", "x", "--model", folder.toString());
        assertRefused(run, "model.safetensors", "--model");
    }

    @Test
    void aHeaderLongerThanTheFileNamesIt() throws IOException {
        for (String file : List.of("config.json", "tokenizer.json")) {
            Files.write(
                    folder.resolve(file),
                    Model.class.getResourceAsStream(EMBEDDED + file).readAllBytes());
        }
        byte[] length = ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(Long.MAX_VALUE)
                .array();
        Files.write(folder.resolve("model.safetensors"), length);
        CommandLineRun run = CommandLineRun.of("generate", "-p", "x", "--model", folder.toString());
        assertRefused(run, "model.safetensors", "--model");
    }

    @Test
    void aFolderWithoutItsFilesNamesTheMissingOne() {
        CommandLineRun run = CommandLineRun.of("generate", "-p", "x", "--model", folder.toString());
        assertRefused(run, "config.json", "--model");
    }

    @Test
    void aJsonThatIsAFolderIsRefused() {
        CommandLineRun run = CommandLineRun.of("devices", "--json", folder.toString());
        assertRefused(run, folder.toString(), "accepted: a file");
    }

    private static void assertRefused(CommandLineRun run, String named, String accepted) {
        assertEquals(1, run.errorLines().size(), run.err());
        String line = run.errorLines().getFirst();
        assertTrue(line.startsWith("kv: "), line);
        assertTrue(line.contains(named), line + " does not name " + named);
        assertTrue(line.contains(accepted), line + " does not say " + accepted);
        assertEquals("", run.out());
        assertEquals(Failures.BAD_INPUT, run.status(), line);
    }
}
