package io.kvmanager.inference.cli;

import io.kvmanager.ByteSize;
import io.kvmanager.inference.cli.BarChart.Bar;
import io.kvmanager.inference.cli.Chart.Tone;
import io.kvmanager.inference.evaluation.CacheEntry;
import io.kvmanager.inference.evaluation.EntryResult;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** The outcome of a comparison as an HTML report. */
final class ComparisonReport {
    private static final int BAR_LABEL = 18;

    private ComparisonReport() {}

    static String html(Model model, List<EntryResult> results, int windows, int promptTokens, int newTokens) {
        EntryResult full = results.getFirst();
        Report report = new Report(
                "KV caches compared",
                results.size() + " caches on the same text and the same questions",
                "Model " + model.name() + ", " + windows + " windows of " + promptTokens + " prompt and " + newTokens
                        + " teacher-forced tokens, " + full.answers().size() + " questions about planted facts. "
                        + "Every window and every question has a cache of its own.");
        report.section("Memory and quality", ComparisonTable.LEGEND + ".");
        report.table(ComparisonTable.QUALITY, rows(results, ComparisonTable::qualityCells), ComparisonTable.CHOSEN);
        ComparisonCharts charts = new ComparisonCharts(results);
        charts.add(report);
        report.section(
                "Device memory",
                "Bytes at peak; the dashed line is what full holds, " + ByteSize.format(full.fullBytes()) + ".");
        report.chart(memory(results));
        report.section("Attention", ComparisonTable.ATTENTION_LEGEND + ".");
        report.table(ComparisonTable.ATTENTION, rows(results, ComparisonTable::attentionCells), ComparisonTable.CHOSEN);
        report.section("Speed and fetching", "On this machine; bytes fetched are summed over the windows.");
        report.table(ComparisonTable.WORK, rows(results, ComparisonTable::workCells), ComparisonTable.CHOSEN);
        report.section("Configuration", "Effective settings of every cache.");
        Map<String, String> facts = new LinkedHashMap<>();
        results.forEach(
                result -> facts.put(result.entry().label(), result.config().toString()));
        report.facts(facts);
        return report.html(full.device() + "; " + Machine.jvm());
    }

    private static List<List<String>> rows(List<EntryResult> results, Function<EntryResult, List<String>> cells) {
        return results.stream().map(cells).toList();
    }

    /** A label that fits beside a bar. */
    private static String shortLabel(CacheEntry entry) {
        String settings = String.join(",", entry.settings().values());
        String label = settings.isEmpty() ? entry.label() : entry.cache() + "[" + settings + "]";
        return label.length() <= BAR_LABEL ? label : label.substring(0, BAR_LABEL - 1) + "…";
    }

    private static BarChart memory(List<EntryResult> results) {
        List<Bar> bars = new ArrayList<>();
        double longest = 1;
        for (EntryResult result : results) {
            long bytes = result.memory().deviceBytesPeak();
            longest = Math.max(longest, (double) bytes);
            bars.add(new Bar(
                    shortLabel(result.entry()),
                    List.of((double) bytes),
                    ByteSize.format(bytes),
                    result.entry().label().equals(ComparisonTable.CHOSEN)));
        }
        return new BarChart(
                "Device bytes at peak",
                List.of("device"),
                List.of(Tone.MAIN),
                bars,
                longest,
                results.getFirst().fullBytes());
    }
}
