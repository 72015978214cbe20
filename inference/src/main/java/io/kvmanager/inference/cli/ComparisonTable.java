package io.kvmanager.inference.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.ByteSize;
import io.kvmanager.CacheName;
import io.kvmanager.inference.evaluation.EntryResult;
import java.util.List;
import java.util.Locale;

/** The outcome of a comparison: on the terminal, and as the runs of a JSON object. */
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

    /** Headings of {@link #workCells}. */
    static final List<String> WORK =
            List.of("cache", "prefill tok/s", "decode tok/s", "fetched", "hits", "missed mass", "layers keep");

    /** Label of the row that is stressed. */
    static final String CHOSEN = CacheName.PYRAMID_KCACHE.toString();

    /** What the columns mean. */
    static final String LEGEND =
            "share, allocated: device bytes at peak, and taken at open, over what full holds for the "
                    + "same tokens; kept: tokens per layer, mean; of full's: of the answers that full gets right";

    private ComparisonTable() {}

    static void print(List<EntryResult> results, int windows, int promptTokens, int newTokens, Console console) {
        EntryResult full = results.getFirst();
        console.line(windows + " windows of " + promptTokens + " prompt and " + newTokens + " new tokens, "
                + full.answers().size() + " questions; " + full.device() + "; full holds "
                + ByteSize.format(full.fullBytes()));
        console.line("");
        TextTable quality = new TextTable(QUALITY.toArray(String[]::new));
        TextTable work = new TextTable(WORK.toArray(String[]::new));
        for (EntryResult result : results) {
            quality.row(qualityCells(result).toArray(String[]::new));
            work.row(workCells(result).toArray(String[]::new));
        }
        quality.print(console, CHOSEN);
        console.line("");
        work.print(console, CHOSEN);
        console.line("");
        console.line(console.dim(LEGEND));
    }

    static List<String> workCells(EntryResult result) {
        return List.of(
                result.entry().label(),
                number("%.0f", result.prefillTokensPerSecond()),
                number("%.0f", result.decodeTokensPerSecond()),
                ByteSize.format(result.fetch().bytesFetched()),
                selects(result) ? percent(result.fetch().hitRatio()) : "-",
                percent(result.fetch().missedMassMean()),
                RunLengths.of(result.retainedTokensPerLayer()));
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

    private static boolean selects(EntryResult result) {
        return result.fetch().tilesHit() + result.fetch().tilesMissed() > 0;
    }

    static String number(String format, double value) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, format, value);
    }

    static String percent(double share) {
        return number("%.1f %%", 100 * share);
    }

    /** Adds a result to the runs of an envelope. */
    static void addRun(ObjectNode envelope, EntryResult result) {
        ObjectNode run = Json.addRun(
                envelope,
                new Json.Run(
                        result.entry().cache(),
                        result.config().toString(),
                        result.memory().deviceBytesPeak(),
                        result.memory().hostBytesPeak(),
                        result.fullBytes(),
                        result.retainedTokensPerLayer(),
                        result.fetch().bytesFetched(),
                        result.prefillTokensPerSecond(),
                        result.decodeTokensPerSecond()));
        run.put("entry", result.entry().label());
        run.put("deviceBytesAllocated", result.memory().deviceBytesAllocated());
        run.put("deviceShare", result.deviceShare());
        run.put("allocatedShare", result.allocatedShare());
        run.put("retainedShare", result.retainedShare());
        run.put("perplexity", result.perplexity());
        run.put("perplexityRatio", result.perplexityRatio());
        run.put("topOneAgreement", result.topOneAgreement());
        run.put("klMean", result.klMean());
        run.put("missedMassMean", result.fetch().missedMassMean());
        if (selects(result)) {
            run.put("tileHitRatio", result.fetch().hitRatio());
        }
        if (!result.answers().isEmpty()) {
            run.put("questions", result.answers().size());
            run.put("recall", result.recall());
            if (!Double.isNaN(result.recallOfFull())) {
                run.put("recallOfFull", result.recallOfFull());
            }
        }
    }
}
