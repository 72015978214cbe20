package io.kvmanager.inference.cli;

import io.kvmanager.inference.evaluation.AttentionLoss;
import io.kvmanager.inference.evaluation.EntryResult;
import io.kvmanager.inference.evaluation.RecallAnswer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;

/** The outcome of a comparison as Markdown tables; nothing in them depends on the time that anything took. */
final class ComparisonMarkdown {
    private ComparisonMarkdown() {}

    static String text(List<EntryResult> results) {
        StringBuilder text = new StringBuilder();
        table(
                text,
                List.of(
                        "cache",
                        "device",
                        "kept",
                        "perplexity",
                        "KL",
                        "top-1",
                        "attention error, mean",
                        "of held",
                        "missed mass",
                        "greedy",
                        "recall"),
                results.stream().map(ComparisonMarkdown::row).toList());
        List<EntryResult> selecting =
                results.stream().filter(ComparisonTable::selects).toList();
        if (!selecting.isEmpty()) {
            text.append('\n');
            table(
                    text,
                    List.of(
                            "values fetched",
                            "tiles",
                            "bytes per step",
                            "error, mean",
                            "at most",
                            "bound at most",
                            "bound over error, median",
                            "99 %",
                            "violations"),
                    selecting.stream().map(ComparisonMarkdown::fetchRow).toList());
        }
        if (!results.getFirst().answers().isEmpty()) {
            recall(text, results, RecallAnswer::byDistance, "recall by distance, tokens");
            recall(text, results, RecallAnswer::byDepth, "recall by depth");
        }
        return text.toString();
    }

    private static List<String> row(EntryResult result) {
        boolean full = result.klMean() == 0;
        return List.of(
                "`" + result.entry().label() + "`",
                ComparisonTable.percent(result.deviceShare()),
                ComparisonTable.percent(result.retainedShare()),
                full
                        ? ComparisonTable.number("%.3f", result.perplexity())
                        : ComparisonTable.number("× %.4f", result.perplexityRatio()),
                ComparisonTable.number("%.4f", result.klMean()),
                ComparisonTable.percent(result.topOneAgreement()),
                error(result.attention().errorMean()),
                error(result.attention().fetchErrorMean()),
                ComparisonTable.percent(result.fetch().missedMassMean()),
                String.format(
                        Locale.ROOT,
                        "%.0f of %.0f",
                        result.greedy().agreementMean(),
                        result.greedy().tokensMean()),
                ComparisonTable.percent(result.recallOfFull()));
    }

    private static List<String> fetchRow(EntryResult result) {
        AttentionLoss attention = result.attention();
        Optional<AttentionLoss.Bounds> bounds = attention.bounds();
        double bytes = attention.bytesFetchedPerStep().stream()
                .mapToDouble(Double::doubleValue)
                .average()
                .orElse(0);
        return List.of(
                "`" + result.entry().label() + "`",
                ComparisonTable.percent(result.fetch().selectedShare()),
                ComparisonTable.number("%.0f", bytes),
                error(attention.fetchErrorMean()),
                error(attention.fetchErrorMax()),
                bounds.map(found -> ComparisonTable.number("%.4f", found.max())).orElse("-"),
                bounds.map(found -> ComparisonTable.number("%.1f", found.slackMedian()))
                        .orElse("-"),
                bounds.map(found -> ComparisonTable.number("%.1f", found.slackP99()))
                        .orElse("-"),
                bounds.map(found -> found.violations() + " of " + found.outputs()).orElse("-"));
    }

    /** Below a millionth an error is rounding. */
    private static String error(double value) {
        return value < 1e-6 ? "0" : ComparisonTable.number("%.4f", value);
    }

    private static void recall(
            StringBuilder text,
            List<EntryResult> results,
            Function<List<RecallAnswer>, List<RecallAnswer.Group>> grouping,
            String heading) {
        List<RecallAnswer.Group> first = grouping.apply(results.getFirst().answers());
        List<String> headings = new ArrayList<>(List.of(heading));
        first.forEach(group -> headings.add(group.name()));
        List<List<String>> rows = new ArrayList<>();
        List<String> asked = new ArrayList<>(List.of("questions, and what `full` answers"));
        first.forEach(group -> asked.add(group.questions() + ", " + group.rightOfFull()));
        rows.add(asked);
        for (EntryResult result : results.subList(1, results.size())) {
            List<String> cells = new ArrayList<>(List.of("`" + result.entry().label() + "`"));
            grouping.apply(result.answers())
                    .forEach(group -> cells.add(ComparisonTable.number("%.0f %%", 100 * group.recallOfFull())));
            rows.add(cells);
        }
        text.append('\n');
        table(text, headings, rows);
    }

    /** Appends a table. */
    static void table(StringBuilder text, List<String> headings, List<List<String>> rows) {
        line(text, headings);
        List<String> rule = new ArrayList<>(Collections.nCopies(headings.size(), "--:"));
        rule.set(0, "---");
        line(text, rule);
        rows.forEach(row -> line(text, row));
    }

    private static void line(StringBuilder text, List<String> cells) {
        text.append("| ").append(String.join(" | ", cells)).append(" |\n");
    }
}
