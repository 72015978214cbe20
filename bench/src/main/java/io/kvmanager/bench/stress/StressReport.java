package io.kvmanager.bench.stress;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.ByteSize;
import io.kvmanager.CacheName;
import io.kvmanager.bench.stress.StressTally.Event;
import io.kvmanager.inference.cli.Console;
import io.kvmanager.inference.cli.Json;
import io.kvmanager.inference.cli.TextTable;
import java.util.Locale;
import java.util.Map;

/** What a run found, as a table and as JSON. */
final class StressReport {
    private final StressOptions options;
    private final StressRun run;

    StressReport(StressOptions options, StressRun run) {
        this.options = options;
        this.run = run;
    }

    void print(Console console) {
        TextTable table = new TextTable(
                "cache",
                "operations",
                "outputs",
                "faults",
                "no memory",
                "wait/never",
                "preempted",
                "suspended",
                "evicted",
                "device peak",
                "leaked",
                "step p50/p99 us",
                "violations");
        run.tallies()
                .forEach((cache, tally) -> table.row(
                        cache.toString(),
                        String.valueOf(tally.operationCount()),
                        String.valueOf(tally.rowsCompared()),
                        String.valueOf(faults(tally)),
                        String.valueOf(tally.count(Event.OUT_OF_MEMORY)),
                        tally.count(Event.WAIT) + "/" + tally.count(Event.NEVER),
                        String.valueOf(tally.count(Event.PREEMPTION)),
                        String.valueOf(tally.count(Event.SUSPENSION)),
                        String.valueOf(tally.count(Event.EVICTION)),
                        ByteSize.format(tally.deviceBytesPeak()),
                        String.valueOf(tally.leakedBytes()),
                        String.format(
                                Locale.ROOT, "%.0f/%.0f", tally.stepNanos(.5) * 1e-3, tally.stepNanos(.99) * 1e-3),
                        String.valueOf(tally.violations())));
        table.print(console, "");
        StringBuilder kinds = new StringBuilder("faults injected:");
        for (Fault fault : Fault.values()) {
            kinds.append(' ').append(fault).append(' ').append(faults(fault));
        }
        console.line(kinds.toString());
        console.line(String.format(
                Locale.ROOT,
                "seed %d, %d threads, %.1f s, heap grew by %s; violations: %d",
                options.seed(),
                options.threads(),
                run.nanos() * 1e-9,
                ByteSize.format(run.heapGrowthBytes()),
                run.violations()));
        run.tallies().values().forEach(tally -> tally.firstViolations().forEach(console::line));
        if (run.heapGrew()) {
            console.line("the heap grew by " + ByteSize.format(run.heapGrowthBytes()));
        }
    }

    private static long faults(StressTally tally) {
        long all = 0;
        for (Fault fault : Fault.values()) {
            all += tally.count(fault);
        }
        return all;
    }

    private long faults(Fault fault) {
        return run.tallies().values().stream()
                .mapToLong(tally -> tally.count(fault))
                .sum();
    }

    ObjectNode json() {
        ObjectNode root = Json.envelope("stress", options.device(), null);
        root.put("seed", options.seed()).put("threads", options.threads());
        root.put("nanos", run.nanos()).put("heapGrowthBytes", run.heapGrowthBytes());
        root.put("violations", run.violations());
        for (Map.Entry<CacheName, StressTally> entry : run.tallies().entrySet()) {
            StressTally tally = entry.getValue();
            ObjectNode node = ((ArrayNode) root.get("runs")).addObject();
            node.put("cache", entry.getKey().toString());
            node.put("lives", tally.lifeCount());
            node.put("operations", tally.operationCount());
            node.put("outputsCompared", tally.rowsCompared());
            ObjectNode faults = node.putObject("faultsInjected");
            for (Fault fault : Fault.values()) {
                faults.put(fault.toString(), tally.count(fault));
            }
            node.put("violations", tally.violations());
            ArrayNode first = node.putArray("firstViolations");
            tally.firstViolations().forEach(first::add);
            node.put("leakedBytes", tally.leakedBytes());
            node.put("deviceBytesPeak", tally.deviceBytesPeak());
            node.put("hostBytesPeak", tally.hostBytesPeak());
            node.put("stepNanosP50", tally.stepNanos(.5));
            node.put("stepNanosP99", tally.stepNanos(.99));
            for (Event event : Event.values()) {
                node.put(event.toString(), tally.count(event));
            }
        }
        return root;
    }
}
