package io.kvmanager.inference.cli;

import io.kvmanager.ByteSize;
import io.kvmanager.CacheName;
import io.kvmanager.inference.evaluation.AttentionLoss;
import io.kvmanager.inference.evaluation.EntryResult;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The outcome of a comparison as rows of text. */
final class ComparisonTable {
    /** Headings of {@link #qualityCells}. */
    static final List<String> QUALITY = List.of(
            "cache",
            "perplexity",
            "ratio",
            "top-1",
            "KL",
            "recall",
            "of full's",
            "device",
            "share",
            "allocated",
            "host",
            "kept");

    /** Headings of {@link #attentionCells}. */
    static final List<String> ATTENTION =
            List.of("cache", "error", "at most", "of held", "at most", "dropped mass", "missed mass", "greedy", "of", "bound", "slack", "p99", "violations");

    /** Headings of {@link #workCells}. */
    static final List<String> WORK =
            List.of("cache", "prefill tok/s", "decode tok/s", "fetched", "hits", "layers keep");

    /** Label of the row that is stressed. */
    static final String CHOSEN = CacheName.PYRAMID_KCACHE.toString();

    /** What the columns mean. */
    static final String LEGEND =
            "share, allocated: device bytes at peak, and taken at open, over what full holds for the "
                    + "same tokens; kept: tokens per layer, mean; of full's: of the answers that full gets right";

    /** What the columns of {@link #ATTENTION} mean. */
    static final String ATTENTION_LEGEND =
            "error: of attention outputs against double precision over all tokens that a layer was given, relative,"
                + " mean; of held: the same over the tokens still held; greedy: tokens written before the first that"
                + " full chooses otherwise; bound: largest that was promised against what is held; slack: bound over error, median";

    private ComparisonTable() {}

    static void print(List<EntryResult> results, int windows, int promptTokens, int newTokens, Console console) {
        EntryResult full = results.getFirst();
        console.line(windows + " windows of " + promptTokens + " prompt and " + newTokens + " new tokens, "
                + full.answers().size() + " questions; " + full.device() + "; full holds "
                + ByteSize.format(full.fullBytes()));
        console.line("");
        TextTable quality = new TextTable(QUALITY.toArray(String[]::new));
        TextTable attention = new TextTable(ATTENTION.toArray(String[]::new));
        TextTable work = new TextTable(WORK.toArray(String[]::new));
        for (EntryResult result : results) {
            quality.row(qualityCells(result).toArray(String[]::new));
            attention.row(attentionCells(result).toArray(String[]::new));
            work.row(workCells(result).toArray(String[]::new));
        }
        quality.print(console, CHOSEN);
        console.line("");
        attention.print(console, CHOSEN);
        console.line("");
        work.print(console, CHOSEN);
        console.line("");
        console.line(console.dim(LEGEND));
        console.line(console.dim(ATTENTION_LEGEND));
    }

    static List<String> workCells(EntryResult result) {
        return List.of(
                result.entry().label(),
                number("%.0f", result.prefillTokensPerSecond()),
                number("%.0f", result.decodeTokensPerSecond()),
                ByteSize.format(result.fetch().bytesFetched()),
                selects(result) ? percent(result.fetch().hitRatio()) : "-",
                RunLengths.of(result.retainedTokensPerLayer()));
    }

    static List<String> attentionCells(EntryResult result) {
        AttentionLoss attention = result.attention();
        Optional<AttentionLoss.Bounds> bounds = attention.bounds();
        return List.of(
                result.entry().label(),
                number("%.5f", attention.errorMean()),
                number("%.3f", attention.errorMax()),
                number("%.5f", attention.fetchErrorMean()),
                number("%.3f", attention.fetchErrorMax()),
                percent(attention.droppedMassMean()),
                percent(result.fetch().missedMassMean()),
                number("%.0f", result.greedy().agreementMean()),
                number("%.0f", result.greedy().tokensMean()),
                bounds.map(found -> number("%.4f", found.max())).orElse("-"),
                bounds.map(found -> number("%.1f", found.slackMedian())).orElse("-"),
                bounds.map(found -> number("%.1f", found.slackP99())).orElse("-"),
                bounds.map(found -> String.valueOf(found.violations())).orElse("-"));
    }

    static List<String> qualityCells(EntryResult result) {
        return List.of(
                result.entry().label(),
                number("%.3f", result.perplexity()),
                number("%.4f", result.perplexityRatio()),
                percent(result.topOneAgreement()),
                number("%.4f", result.klMean()),
                percent(result.recall()),
                percent(result.recallOfFull()),
                ByteSize.format(result.memory().deviceBytesPeak()),
                percent(result.deviceShare()),
                percent(result.allocatedShare()),
                ByteSize.format(result.memory().hostBytesPeak()),
                percent(result.retainedShare()));
    }

    /** Whether a cache chooses what it reads. */
    static boolean selects(EntryResult result) {
        return result.fetch().tilesSelected() > 0 || result.fetch().tiles() > 0;
    }

    static String number(String format, double value) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, format, value);
    }

    static String percent(double share) {
        return number("%.1f %%", 100 * share);
    }
}
