package io.kvmanager.bench;

import io.kvmanager.ByteSize;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.inference.cli.BadInput;
import io.kvmanager.inference.cli.Console;
import io.kvmanager.inference.cli.JsonOption;
import io.kvmanager.inference.cli.Progress;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelFormatException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kv bench decode}: what a budget of device memory brings, cache by cache. */
@Command(
        name = "decode",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = "Fills the same device memory with as many sequences as each cache can hold and decodes them as "
                + "one batch: first with a model, then attention alone on the shapes of a large one.",
        footer = {
            "",
            "A model as small as the embedded one spends its time on matrix products, so there a cache gains by what"
                    + " it",
            "spares them; attention alone shows what a cache gains where attention is what takes the time.",
            "Host memory is not limited. The floor is the time to read what a step has to read, at the speed at which",
            "this machine reads scattered blocks in the same run."
        })
final class DecodeCommand implements Callable<Integer> {
    private static final int BLOCK_TOKENS = 16;
    private static final int LAYERS = 4;
    private static final int KV_HEADS = 8;
    private static final int GROUP_SIZE = 4;
    private static final int HEAD_SIZE = 128;
    private static final int ATTENTION_STEPS = 8;
    /** About what a measured profile keeps of the embedded model: half, some layers everything, some a tenth. */
    private static final String ATTENTION_RETENTION = "layers(1/.1/.1/.7,recent=64,sinks=4,queries=16)";

    private static final long SEED = 20_261_129;

    private final Console console;

    @Option(
            names = "--cache",
            paramLabel = "<list>",
            description = "Caches, or all; full and paged are what the others are compared with. Default: "
                    + "${DEFAULT-VALUE}.")
    private String caches = "full,paged,pyramid,kcache,pyramid+kcache";

    @Option(
            names = {"-m", "--model"},
            paramLabel = "<model>",
            description = "The model: " + Model.ACCEPTED + ". Default: ${DEFAULT-VALUE}.")
    private String modelName = Model.EMBEDDED;

    @Option(
            names = "--device-bytes",
            paramLabel = "<size>",
            description = "Device memory of a cache under the model. Default: ${DEFAULT-VALUE}.")
    private String deviceBytes = "16M";

    @Option(
            names = "--prompt-tokens",
            paramLabel = "<n>",
            description = "Prompt of each sequence. Default: ${DEFAULT-VALUE}.")
    private int promptTokens = 700;

    @Option(names = "--new-tokens", paramLabel = "<n>", description = "Tokens behind it. Default: ${DEFAULT-VALUE}.")
    private int newTokens = 64;

    @Option(
            names = "--contexts",
            paramLabel = "<list>",
            description = "Contexts of attention alone, tokens, or none. Default: ${DEFAULT-VALUE}.")
    private String contexts = "4096,16384";

    @Option(
            names = "--attention-bytes",
            paramLabel = "<size>",
            description = "Device memory of a cache under attention alone. Default: ${DEFAULT-VALUE}.")
    private String attentionBytes = "512M";

    @Option(names = "--device", paramLabel = "<device>", description = "The device. Default: ${DEFAULT-VALUE}.")
    private String device = "host";

    @Mixin
    private final JsonOption json = new JsonOption();

    DecodeCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        List<CacheName> names = caches();
        List<Integer> lengths = contexts();
        BadInput.requireAtLeast("--prompt-tokens", promptTokens, 1);
        BadInput.requireAtLeast("--new-tokens", newTokens, 1);
        long modelBudget = bytes("--device-bytes", deviceBytes);
        long attentionBudget = bytes("--attention-bytes", attentionBytes);
        json.check();
        Model model = model();
        List<DecodeFigures> figures = new ArrayList<>();
        double roof;
        try (Progress progress = new Progress(console)) {
            progress.step("read roof", 0, 1);
            roof = DecodeRoof.bytesPerNano();
            int total = names.size() * (1 + lengths.size());
            DecodeShape shape = new DecodeShape(
                    model.config().cacheGeometry(BLOCK_TOKENS, ElementType.BF16),
                    model.profile().orElse(null),
                    "",
                    promptTokens,
                    newTokens,
                    modelBudget);
            try (ModelDecodeLoad load = new ModelDecodeLoad(model, shape, device, roof)) {
                run(load, names, figures, progress, total);
            }
            for (int context : lengths) {
                DecodeShape large = new DecodeShape(
                        new CacheGeometry(
                                LAYERS, KV_HEADS * GROUP_SIZE, KV_HEADS, HEAD_SIZE, BLOCK_TOKENS, ElementType.BF16),
                        null,
                        ATTENTION_RETENTION,
                        context,
                        ATTENTION_STEPS,
                        attentionBudget);
                try (AttentionDecodeLoad load = new AttentionDecodeLoad(large, device, SEED, roof)) {
                    run(load, names, figures, progress, total);
                }
            }
        }
        DecodeReport report = new DecodeReport(figures, roof, modelBudget, attentionBudget);
        report.print(console);
        if (json.wanted()) {
            json.write(report.json(device, model));
        }
        return 0;
    }

    private static void run(
            DecodeLoad load, List<CacheName> names, List<DecodeFigures> figures, Progress progress, int total) {
        for (CacheName name : names) {
            progress.step(load.name() + ", " + name, figures.size(), total);
            figures.add(load.run(name));
        }
    }

    private Model model() {
        Model model;
        try {
            model = Model.load(modelName);
        } catch (ModelFormatException e) {
            throw BadInput.of("--model", e);
        }
        int context = model.config().context();
        if ((long) promptTokens + newTokens > context) {
            throw new BadInput("--prompt-tokens '" + promptTokens + "' and --new-tokens '" + newTokens
                    + "' exceed the model's context; accepted: " + context + " tokens together");
        }
        return model;
    }

    private List<CacheName> caches() {
        if (caches.strip().equals("all")) {
            return List.of(CacheName.values());
        }
        List<CacheName> names = new ArrayList<>();
        for (String word : caches.split(",", -1)) {
            try {
                names.add(CacheName.parse(word));
            } catch (IllegalArgumentException e) {
                throw BadInput.of("--cache", e);
            }
        }
        return names;
    }

    private List<Integer> contexts() {
        List<Integer> lengths = new ArrayList<>();
        for (String word : contexts.strip().equals("none") ? new String[0] : contexts.split(",", -1)) {
            int length;
            try {
                length = Integer.parseInt(word.strip());
            } catch (NumberFormatException e) {
                length = 0;
            }
            if (length < BLOCK_TOKENS || length > 1 << 20) {
                throw new BadInput("--contexts '" + word + "' is not accepted; accepted: none, or numbers of tokens, "
                        + BLOCK_TOKENS + " to " + (1 << 20) + ", with commas between them");
            }
            lengths.add(length);
        }
        return lengths;
    }

    private static long bytes(String flag, String size) {
        long bytes = ByteSize.parse(flag, size);
        BadInput.requireAtLeast(flag, bytes, 1);
        return bytes;
    }
}
