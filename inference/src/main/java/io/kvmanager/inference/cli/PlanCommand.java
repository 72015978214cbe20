package io.kvmanager.inference.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.ByteSize;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.MemoryPlan;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.inference.model.Model;
import java.io.IOException;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kv plan}: what opening a cache would take, and how much fits; nothing is allocated. */
@Command(name = "plan", description = "Says what fits where, before anything is allocated.")
final class PlanCommand implements Callable<Integer> {
    private final Console console;

    @Mixin
    private final ModelOption model = new ModelOption();

    @ArgGroup(exclusive = false, heading = "%nInstead of a model, its shape:%n")
    private @Nullable Shape shape;

    static final class Shape {
        @Option(names = "--layers", required = true, paramLabel = "<n>", description = "Transformer layers.")
        private int layers;

        @Option(names = "--query-heads", required = true, paramLabel = "<n>", description = "Query heads.")
        private int queryHeads;

        @Option(names = "--kv-heads", required = true, paramLabel = "<n>", description = "KV heads.")
        private int kvHeads;

        @Option(names = "--head-size", required = true, paramLabel = "<n>", description = "Elements per head.")
        private int headSize;
    }

    @Option(
            names = "--context",
            required = true,
            paramLabel = "<n>",
            description = "Tokens of one sequence at most, prompt included.")
    private int context;

    @Option(names = "--prompt", paramLabel = "<n>", description = "Tokens of the prompt. Default: all of the context.")
    private @Nullable Integer promptTokens;

    @Option(names = "--batch", paramLabel = "<n>", description = "Sequences at once. Default: ${DEFAULT-VALUE}.")
    private int batch = 1;

    @Option(
            names = "--device-bytes",
            paramLabel = "<size>",
            description = "Device memory, such as 24G. Default: what the batch needs.")
    private @Nullable String deviceBytes;

    @Option(
            names = "--host-bytes",
            paramLabel = "<size>",
            description = "Host memory for V. Default: what the batch needs.")
    private @Nullable String hostBytes;

    @Mixin
    private final CacheOptions cache = new CacheOptions();

    @Mixin
    private final JsonOption json = new JsonOption();

    PlanCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        BadInput.requireAtLeast("--context", context, 1);
        BadInput.requireAtLeast("--batch", batch, 1);
        int prompt = promptTokens == null ? context : promptTokens;
        BadInput.requireAtLeast("--prompt", prompt, 1);
        if (prompt > context) {
            throw new BadInput("--prompt " + prompt + " is not accepted; accepted: 1 to --context " + context);
        }
        json.check();
        Model loaded = shape == null ? model.load() : null;
        KvCacheConfig config = config(cache.name(), geometry(loaded), profile(loaded), prompt);
        MemoryPlan plan = KvCache.plan(config);
        print(loaded, config, plan);
        if (json.wanted()) {
            json.write(json(loaded, config, plan));
        }
        return 0;
    }

    private CacheGeometry geometry(@Nullable Model loaded) {
        if (loaded != null) {
            return SettingOptions.geometry(loaded);
        }
        Shape given = Objects.requireNonNull(shape);
        try {
            return SettingOptions.geometry(given.layers, given.queryHeads, given.kvHeads, given.headSize);
        } catch (IllegalArgumentException e) {
            throw BadInput.of("--layers, --query-heads, --kv-heads, --head-size", e);
        }
    }

    private static Optional<RetentionPolicy.PerLayer> profile(@Nullable Model loaded) {
        return loaded == null ? Optional.empty() : loaded.profile();
    }

    private KvCacheConfig config(
            CacheName name, CacheGeometry geometry, Optional<RetentionPolicy.PerLayer> profile, int prompt) {
        SettingOptions settings = cache.settings();
        KvCacheConfig.Builder builder = settings.builder(name, geometry, profile)
                .maxSequences(batch)
                .maxSequenceTokens(context)
                .promptTokens(prompt);
        if (deviceBytes != null) {
            builder.deviceBytes(size("--device-bytes", deviceBytes));
        }
        if (hostBytes != null) {
            builder.hostBytes(size("--host-bytes", hostBytes));
        }
        return settings.build(builder);
    }

    private static long size(String flag, String text) {
        long bytes;
        try {
            bytes = ByteSize.parse(flag, text);
        } catch (IllegalArgumentException e) {
            throw new BadInput(String.valueOf(e.getMessage()));
        }
        if (bytes < 1) {
            throw new BadInput(flag + " '" + text + "' is not accepted; accepted: 1 byte or more");
        }
        return bytes;
    }

    private static String hostUse(KvCacheConfig config, MemoryPlan plan) {
        if (config.placement() instanceof PlacementPolicy.Offloaded) {
            return "V of the settled tokens";
        }
        return plan.hostBytes() == 0 ? "V stays in device memory" : "suspended sequences";
    }

    private void print(@Nullable Model loaded, KvCacheConfig config, MemoryPlan plan) {
        CacheGeometry geometry = config.geometry();
        long sequencePeak = (long) plan.sequenceBlocksPeak() * geometry.blockBytes();
        console.line(
                console.bold(config.cache() + " for " + (loaded == null ? "the given shape" : loaded.name())) + ", "
                        + config.promptTokens() + " of " + config.maxSequenceTokens() + " tokens are prompt, batch "
                        + config.maxSequences());
        console.line("");
        line("slab", plan.slabBytes(), plan.blocks() + " blocks of " + ByteSize.format(geometry.blockBytes()));
        line("tables", plan.tableBytes(), "block and tile tables, query statistics");
        line("workspace", plan.workspaceBytes(), "scores and lists, shared");
        line("device", plan.deviceBytes(), "all of the above");
        line("host", plan.hostBytes(), hostUse(config, plan));
        console.line("");
        line("sequence", sequencePeak, plan.sequenceBlocksPeak() + " blocks at its peak");
        line("full", plan.fullBytes(), "what one sequence takes when nothing is pruned or moved");
        console.line("");
        console.line(String.format(
                Locale.ROOT,
                "layers keep %s of %d prompt tokens (%.0f %%)  %s",
                RunLengths.of(plan.retainedTokensPerLayer()),
                config.promptTokens(),
                100 * plan.retainedShare(config.promptTokens()),
                Bars.layers(plan.retainedTokensPerLayer(), config.promptTokens(), console.unicode())));
        long fullSequences = plan.deviceBytes() / Math.max(1, plan.fullBytes());
        String verdict = plan.sequences() + (plan.sequences() == 1 ? " sequence fits" : " sequences fit")
                + "; as full, " + fullSequences + " would in the same device memory";
        boolean fits = plan.sequences() >= config.maxSequences();
        console.line(fits ? console.green(verdict) : console.yellow(verdict));
    }

    private void line(String name, long bytes, String remark) {
        console.line(String.format(Locale.ROOT, "%-10s %10s  ", name, ByteSize.format(bytes)) + console.dim(remark));
    }

    private static ObjectNode json(@Nullable Model loaded, KvCacheConfig config, MemoryPlan plan) {
        ObjectNode root = Json.envelope("plan", config.device(), loaded);
        ObjectNode run = ((ArrayNode) root.get("runs")).addObject();
        run.put("cache", config.cache().toString());
        run.put("configuration", config.toString());
        run.put("deviceBytes", plan.deviceBytes());
        run.put("hostBytes", plan.hostBytes());
        run.put("fullBytes", plan.fullBytes());
        plan.retainedTokensPerLayer().forEach(run.putArray("retainedTokensPerLayer")::add);
        run.put("retainedShare", plan.retainedShare(config.promptTokens()));
        run.put("sequences", plan.sequences());
        run.put("sequencesWanted", config.maxSequences());
        run.put("slabBytes", plan.slabBytes());
        run.put("tableBytes", plan.tableBytes());
        run.put("workspaceBytes", plan.workspaceBytes());
        run.put("blocks", plan.blocks());
        run.put("blockBytes", config.geometry().blockBytes());
        run.put("sequenceBlocksPeak", plan.sequenceBlocksPeak());
        run.put("tileCacheBlocks", plan.tileCacheBlocks());
        return root;
    }
}
