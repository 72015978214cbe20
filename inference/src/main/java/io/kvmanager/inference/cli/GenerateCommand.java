package io.kvmanager.inference.cli;

import io.kvmanager.ByteSize;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.MemoryUse;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.inference.DecodeLoop;
import io.kvmanager.inference.Generation;
import io.kvmanager.inference.Sampler;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.TextStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kv generate}: text as it comes, and one line about memory. */
@Command(name = "generate", description = "Continues a prompt, and says what that took.")
final class GenerateCommand implements Callable<Integer> {
    private final Console console;

    @Option(
            names = {"-p", "--prompt"},
            required = true,
            paramLabel = "<text>",
            description = "The text to continue; - reads it from standard input.")
    private String prompt = "";

    @Mixin
    private final ModelOption model = new ModelOption();

    @Mixin
    private final CacheOptions cache = new CacheOptions();

    @Option(
            names = {"-n", "--max-tokens"},
            paramLabel = "<n>",
            description = "Tokens to generate at most. Default: ${DEFAULT-VALUE}.")
    private int maxTokens = 200;

    @Mixin
    private final SamplingOptions sampling = new SamplingOptions();

    @Mixin
    private final JsonOption json = new JsonOption();

    GenerateCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        BadInput.requireAtLeast("--max-tokens", maxTokens, 1);
        Sampler sampler = sampling.sampler();
        cache.name();
        json.check();
        Model loaded = model.load();
        String text = prompt.equals("-") ? new String(System.in.readAllBytes(), StandardCharsets.UTF_8) : prompt;
        int[] ids = Prompts.ids(loaded, text);
        int length = Math.min(loaded.config().context(), ids.length + maxTokens);
        KvCacheConfig config = cache.config(loaded, length, ids.length);

        try (KvCache open = KvCache.open(config);
                KvSequence sequence = open.openSequence()) {
            console.out().print(console.dim(text));
            TextStream stream = loaded.tokenizer().stream();
            Generation generation = DecodeLoop.generate(loaded, sequence, ids, maxTokens, sampler, id -> {
                console.out().print(stream.next(id));
                console.out().flush();
            });
            console.line(stream.end());
            report(loaded, open, sequence, generation);
        }
        return 0;
    }

    private void report(Model loaded, KvCache open, KvSequence sequence, Generation generation) throws IOException {
        MemoryUse memory = open.memory();
        KvCacheConfig config = open.config();
        long fullBytes = config.fullBytes(sequence.length());
        List<Integer> retained = DemoRun.retained(sequence, config.geometry().layers());
        console.line(console.dim(memoryLine(config, memory, fullBytes, retained, generation)));
        if (config.retention().toString().equals(RetentionPolicy.WITHOUT_PROFILE)) {
            console.line(console.dim("this model has no retention profile: nothing was pruned before half depth; "
                    + "kv calibrate measures one"));
        }
        if (json.wanted()) {
            var root = Json.envelope("generate", open.deviceDescription(), loaded);
            Json.addRun(
                            root,
                            new Json.Run(
                                    config.cache(),
                                    config.toString(),
                                    memory.deviceBytesPeak(),
                                    memory.hostBytesPeak(),
                                    fullBytes,
                                    retained,
                                    sequence.fetchReport().bytesFetched(),
                                    generation.prefillTokensPerSecond(),
                                    generation.decodeTokensPerSecond()))
                    .put("missedMassMean", sequence.fetchReport().missedMassMean())
                    .put("promptTokens", generation.promptTokens())
                    .put("generatedTokens", generation.ids().size())
                    .put("end", generation.end().name().toLowerCase(Locale.ROOT))
                    .put("text", loaded.tokenizer().decode(generation.ids()));
            json.write(root);
        }
    }

    private String memoryLine(
            KvCacheConfig config, MemoryUse memory, long fullBytes, List<Integer> retained, Generation generation) {
        String dot = console.unicode() ? " · " : " | ";
        return String.join(
                dot,
                config.cache() + ": device " + ByteSize.format(memory.deviceBytes()) + " (peak "
                        + ByteSize.format(memory.deviceBytesPeak()) + ", full " + ByteSize.format(fullBytes) + ")",
                "host " + ByteSize.format(memory.hostBytes()),
                "layers keep " + RunLengths.of(retained),
                String.format(
                        Locale.ROOT,
                        "%.0f tokens/s prefill, %.0f decode",
                        generation.prefillTokensPerSecond(),
                        generation.decodeTokensPerSecond()));
    }
}
