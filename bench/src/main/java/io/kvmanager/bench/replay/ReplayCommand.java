package io.kvmanager.bench.replay;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.inference.cli.BadInput;
import io.kvmanager.inference.cli.Console;
import io.kvmanager.inference.cli.Json;
import io.kvmanager.inference.cli.JsonOption;
import io.kvmanager.inference.cli.OutputFile;
import io.kvmanager.inference.cli.Progress;
import io.kvmanager.inference.cli.TextTable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kv replay}: a recorded serving trace through the prefix index, policy by policy. */
@Command(
        name = "replay",
        description = "Serves a recorded trace from a cache of prefixes: what each eviction policy would have found.")
final class ReplayCommand implements Callable<Integer> {
    private static final String ALL = "all";
    private static final String CAPACITIES = "100,500,1000,2000,5000,10000,20000,30000,50000,100000,200000";
    private static final int MOST_BLOCKS = 100_000_000;

    private final Console console;

    @Option(
            names = {"-t", "--trace"},
            required = true,
            paramLabel = "<file>",
            description = "The trace: Mooncake's JSON lines or Azure's CSV, also as .gz.")
    private String trace = "";

    @Option(
            names = "--block-tokens",
            paramLabel = "<n>",
            description = "Tokens of a block; for Mooncake what its hash ids stand for. Default: ${DEFAULT-VALUE}.")
    private int blockTokens = 512;

    @Option(
            names = "--capacity-blocks",
            paramLabel = "<list>",
            description = "Blocks that stay cached, one replay for each. Default: ${DEFAULT-VALUE}.")
    private String capacities = CAPACITIES;

    @Option(
            names = "--policy",
            paramLabel = "<list>",
            description = "Eviction policies, or all; optimum is what knowing the future would reach. "
                    + "Default: ${DEFAULT-VALUE}.")
    private String policy = ALL;

    @Mixin
    private final JsonOption json = new JsonOption();

    @Option(names = "--report", paramLabel = "<file>", description = "Writes table and chart to an HTML file.")
    private @Nullable String report;

    ReplayCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        BadInput.requireAtLeast("--block-tokens", blockTokens, 1);
        List<Integer> capacityBlocks = capacityBlocks();
        List<String> policies = policies();
        json.check();
        OutputFile reportFile = report == null ? null : OutputFile.check("--report", report);
        List<ReplayRun> runs = new ArrayList<>();
        Trace requests;
        try (Progress progress = new Progress(console)) {
            requests = TraceFile.read(trace, blockTokens);
            int total = policies.size() * (capacityBlocks.size() + 1);
            for (String name : policies) {
                TraceReplay.run(requests, name, capacityBlocks.getFirst()); // warms the compiler up
                for (int blocks : capacityBlocks) {
                    progress.step(name + ", " + blocks + " blocks", runs.size(), total);
                    runs.add(TraceReplay.run(requests, name, blocks));
                }
            }
        }
        print(requests, runs);
        if (json.wanted()) {
            json.write(json(requests, runs));
        }
        if (reportFile != null) {
            reportFile.write(ReplayReport.html(requests, runs));
            console.line("Report: " + reportFile.path());
        }
        return 0;
    }

    private List<Integer> capacityBlocks() {
        Set<Integer> blocks = new TreeSet<>();
        for (String word : capacities.split(",", -1)) {
            try {
                blocks.add(Integer.parseInt(word.strip()));
            } catch (NumberFormatException e) {
                throw badCapacity(word);
            }
        }
        for (int count : blocks) {
            if (count < 1 || count > MOST_BLOCKS) {
                throw badCapacity(String.valueOf(count));
            }
        }
        return List.copyOf(blocks);
    }

    private static BadInput badCapacity(String word) {
        return new BadInput("--capacity-blocks '" + word + "' is not accepted; accepted: whole numbers, 1 to "
                + MOST_BLOCKS + ", with commas between them");
    }

    private List<String> policies() {
        List<String> known = TraceReplay.policies();
        Set<String> names = new LinkedHashSet<>();
        for (String word : policy.split(",", -1)) {
            String name = word.strip();
            if (name.equals(ALL)) {
                names.addAll(known);
            } else if (known.contains(name)) {
                names.add(name);
            } else {
                throw new BadInput(
                        "--policy '" + name + "' is unknown; accepted: " + ALL + ", " + String.join(", ", known));
            }
        }
        return List.copyOf(names);
    }

    private void print(Trace requests, List<ReplayRun> runs) {
        console.line(String.format(
                Locale.ROOT,
                "%s: %,d requests, %,d blocks of %d tokens, %,d of them different",
                requests.name(),
                requests.requests(),
                requests.references(),
                blockTokens,
                requests.uniqueBlocks()));
        TextTable table =
                new TextTable("policy", "capacity", "hits, blocks", "hits, tokens", "evictions", "M blocks/s");
        for (ReplayRun run : runs) {
            table.row(
                    run.policy(),
                    String.valueOf(run.capacityBlocks()),
                    String.format(Locale.ROOT, "%.4f", run.hitRatioBlocks()),
                    String.format(Locale.ROOT, "%.4f", run.hitRatioTokens()),
                    String.valueOf(run.evictions()),
                    String.format(Locale.ROOT, "%.1f", run.blockReferencesPerSecond() * 1e-6));
        }
        table.print(console, "hit-density");
    }

    private ObjectNode json(Trace requests, List<ReplayRun> runs) {
        ObjectNode root = Json.envelope("replay", "metadata", null);
        root.put("trace", requests.name()).put("blockTokens", blockTokens);
        root.put("requests", requests.requests()).put("blockReferences", requests.references());
        for (ReplayRun run : runs) {
            ((ArrayNode) root.get("runs"))
                    .addObject()
                    .put("policy", run.policy())
                    .put("capacityBlocks", run.capacityBlocks())
                    .put("hitRatioBlocks", run.hitRatioBlocks())
                    .put("hitRatioTokens", run.hitRatioTokens())
                    .put("evictions", run.evictions())
                    .put("blockReferencesPerSecond", run.blockReferencesPerSecond());
        }
        return root;
    }
}
