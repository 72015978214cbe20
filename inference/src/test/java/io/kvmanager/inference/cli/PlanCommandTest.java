package io.kvmanager.inference.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvmanager.CacheName;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.inference.model.Model;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What kv plan says is what opening takes, to the byte. */
final class PlanCommandTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({
        "full, 512, 300, 1, BF16, 16",
        "paged, 777, 700, 3, BF16, 16",
        "local, 1024, 1000, 2, F32, 32",
        "pyramid, 900, 650, 2, F16, 16",
        "kcache, 1000, 731, 4, BF16, 8",
        "pyramid+kcache, 1024, 1000, 3, BF16, 16",
        "pyramid+kcache, 65, 1, 1, F32, 64",
        "h2o, 900, 700, 2, BF16, 16",
        "snapkv, 512, 1, 1, F16, 8",
        "pyramidkv, 1024, 1000, 1, F32, 16",
        "tova, 130, 129, 3, BF16, 32",
        "quest, 1000, 990, 1, BF16, 16"
    })
    void planIsWhatOpeningTakes(String cache, int context, int prompt, int batch, String elementType, int blockTokens)
            throws IOException {
        Path file = folder.resolve("plan.json");
        CommandLineRun run = CommandLineRun.of(
                "plan",
                "--cache",
                cache,
                "--context",
                String.valueOf(context),
                "--prompt",
                String.valueOf(prompt),
                "--batch",
                String.valueOf(batch),
                "--set",
                "elementType=" + elementType,
                "--set",
                "blockTokens=" + blockTokens,
                "--json",
                file.toString());
        assertEquals(0, run.status(), run.err());
        JsonNode planned =
                new ObjectMapper().readTree(file.toFile()).get("runs").get(0);

        Model model = Model.load(Model.EMBEDDED);
        KvCacheConfig.Builder builder = KvCacheConfig.builder(CacheName.parse(cache), SettingOptions.geometry(model))
                .set("elementType", elementType)
                .set("blockTokens", String.valueOf(blockTokens))
                .maxSequences(batch)
                .maxSequenceTokens(context)
                .promptTokens(prompt);
        model.profile().ifPresent(builder::profile);
        try (KvCache open = KvCache.open(builder.build())) {
            assertEquals(
                    open.memory().deviceBytesAllocated(),
                    planned.get("deviceBytes").asLong());
            assertEquals(
                    open.memory().hostBytesAllocated(), planned.get("hostBytes").asLong());
            assertEquals(batch, planned.get("sequences").asInt());
        }
    }

    @Test
    void aShapeNeedsNoModel() {
        CommandLineRun run = CommandLineRun.of(
                "plan",
                "--layers",
                "32",
                "--query-heads",
                "32",
                "--kv-heads",
                "8",
                "--head-size",
                "128",
                "--context",
                "32768",
                "--batch",
                "4",
                "--device-bytes",
                "12G");
        assertEquals(0, run.status(), run.err());
        assertTrue(run.out().contains("4.00 GiB"), run.out());
        assertTrue(run.out().contains("fit"), run.out());
    }

    @Test
    void aBudgetBelowOneSequenceIsBadInputOrSaysThatNoneFits() {
        CommandLineRun run = CommandLineRun.of("plan", "--context", "1000", "--device-bytes", "4k");
        boolean refused = run.status() == Failures.BAD_INPUT && run.errorLines().size() == 1;
        assertTrue(refused || run.out().contains("0 sequences fit"), run.toString());
    }
}
