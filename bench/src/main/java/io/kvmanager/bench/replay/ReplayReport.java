package io.kvmanager.bench.replay;

import io.kvmanager.inference.cli.Chart.Tone;
import io.kvmanager.inference.cli.Machine;
import io.kvmanager.inference.cli.PointChart;
import io.kvmanager.inference.cli.PointChart.Scale;
import io.kvmanager.inference.cli.PointChart.Series;
import io.kvmanager.inference.cli.Report;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The outcome of a replay as an HTML report: hit ratio over capacity, and the figures. */
final class ReplayReport {
    private ReplayReport() {}

    static String html(Trace trace, List<ReplayRun> runs) {
        Report report = new Report(
                "Prefix cache replay",
                "Hit ratio over capacity, " + trace.name(),
                String.format(
                        Locale.ROOT,
                        "%,d requests, %,d blocks of %d tokens, %,d of them different. A hit is a block of the "
                                + "contiguous prefix that is cached at arrival; the optimum knows the future.",
                        trace.requests(),
                        trace.references(),
                        trace.blockTokens(),
                        trace.uniqueBlocks()));
        report.section("Hit ratio", "Share of the trace's blocks that were found.");
        report.chart(chart(runs));
        report.section("Figures", "Speeds are of one thread, hashing not included.");
        report.table(
                List.of("policy", "capacity, blocks", "hits, blocks", "hits, tokens", "evictions", "blocks/s"),
                runs.stream().map(ReplayReport::cells).toList(),
                "");
        return report.html(Machine.jvm());
    }

    private static List<String> cells(ReplayRun run) {
        return List.of(
                run.policy(),
                String.format(Locale.ROOT, "%,d", run.capacityBlocks()),
                String.format(Locale.ROOT, "%.4f", run.hitRatioBlocks()),
                String.format(Locale.ROOT, "%.4f", run.hitRatioTokens()),
                String.format(Locale.ROOT, "%,d", run.evictions()),
                String.format(Locale.ROOT, "%,.0f", run.blockReferencesPerSecond()));
    }

    private static PointChart chart(List<ReplayRun> runs) {
        Map<String, List<ReplayRun>> byPolicy = new LinkedHashMap<>();
        runs.forEach(run -> byPolicy.computeIfAbsent(run.policy(), name -> new ArrayList<>())
                .add(run));
        List<Series> series = new ArrayList<>();
        byPolicy.forEach((policy, own) -> series.add(new Series(
                policy,
                own.stream().map(run -> (double) run.capacityBlocks()).toList(),
                own.stream().map(ReplayRun::hitRatioBlocks).toList(),
                tone(policy))));
        return new PointChart(
                "Hit ratio over capacity", "capacity, blocks", "hit ratio", series, true, Scale.LOGARITHMIC);
    }

    private static Tone tone(String policy) {
        return switch (policy) {
            case "hit-density" -> Tone.MAIN;
            case "lru" -> Tone.BAD;
            case ReplayRun.OPTIMUM -> Tone.SECOND;
            default -> Tone.REST;
        };
    }
}
