package io.kvmanager.bench;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.ByteSize;
import io.kvmanager.CacheName;
import io.kvmanager.inference.cli.Console;
import io.kvmanager.inference.cli.Json;
import io.kvmanager.inference.cli.TextTable;
import io.kvmanager.inference.model.Model;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Caches side by side, load by load, as tables and as JSON. */
final class DecodeReport {
    private final List<DecodeFigures> figures;
    private final double roofBytesPerNano;
    private final long modelBudget;
    private final long attentionBudget;

    DecodeReport(List<DecodeFigures> figures, double roofBytesPerNano, long modelBudget, long attentionBudget) {
        this.figures = figures;
        this.roofBytesPerNano = roofBytesPerNano;
        this.modelBudget = modelBudget;
        this.attentionBudget = attentionBudget;
    }

    void print(Console console) {
        console.line(String.format(Locale.ROOT, "read roof of this run: %.1f GB/s", roofBytesPerNano));
        Map<String, TextTable> tables = new LinkedHashMap<>();
        for (DecodeFigures one : figures) {
            tables.computeIfAbsent(title(one), title -> table(one)).row(cells(one));
        }
        tables.forEach((title, table) -> {
            console.line("");
            console.line(title);
            table.print(console, CacheName.PYRAMID_KCACHE.toString());
        });
    }

    private String title(DecodeFigures one) {
        return isModel(one)
                ? String.format(
                        Locale.ROOT,
                        "model, %d + %d tokens, %s of device memory",
                        one.promptTokens(),
                        one.newTokens(),
                        ByteSize.format(modelBudget))
                : String.format(
                        Locale.ROOT,
                        "attention alone, %d tokens, %s of device memory",
                        one.promptTokens(),
                        ByteSize.format(attentionBudget));
    }

    private static boolean isModel(DecodeFigures one) {
        return one.load().equals("model");
    }

    private static TextTable table(DecodeFigures one) {
        return isModel(one)
                ? new TextTable(
                        "cache",
                        "planned",
                        "sequences",
                        "kept",
                        "tokens/s",
                        "of full",
                        "of paged",
                        "floor",
                        "with prompts",
                        "in the cache",
                        "host memory")
                : new TextTable(
                        "cache",
                        "planned",
                        "sequences",
                        "kept",
                        "tokens/s",
                        "of full",
                        "of paged",
                        "floor",
                        "tile hits",
                        "host memory");
    }

    private String[] cells(DecodeFigures one) {
        String name = one.cache().toString();
        String planned = String.valueOf(one.planned());
        String sequences = String.valueOf(one.sequences());
        String kept = percent(one.retainedShare());
        String tokens = whole(one.decodeTokensPerSecond());
        String ofFull = ratio(one, CacheName.FULL);
        String ofPaged = ratio(one, CacheName.PAGED);
        String floor = whole(one.floorTokensPerSecond());
        String host = ByteSize.format(one.hostBytesPeak());
        return isModel(one)
                ? new String[] {
                    name,
                    planned,
                    sequences,
                    kept,
                    tokens,
                    ofFull,
                    ofPaged,
                    floor,
                    whole(one.allTokensPerSecond()),
                    percent(one.attentionShare()),
                    host
                }
                : new String[] {
                    name, planned, sequences, kept, tokens, ofFull, ofPaged, floor, percent(one.hitRatio()), host
                };
    }

    /** Tokens a second over another cache's under the same load. */
    private String ratio(DecodeFigures one, CacheName other) {
        double reference = reference(one, other);
        return reference == 0 ? "-" : String.format(Locale.ROOT, "%.2f", one.decodeTokensPerSecond() / reference);
    }

    private double reference(DecodeFigures one, CacheName other) {
        for (DecodeFigures candidate : figures) {
            if (candidate.cache() == other && title(candidate).equals(title(one))) {
                return candidate.decodeTokensPerSecond();
            }
        }
        return 0;
    }

    private static String whole(double value) {
        return String.format(Locale.ROOT, "%.0f", value);
    }

    private static String percent(double share) {
        return String.format(Locale.ROOT, "%.0f %%", 100 * share);
    }

    ObjectNode json(String device, Model model) {
        ObjectNode root = Json.envelope("bench decode", device, model);
        root.put("readRoofBytesPerSecond", roofBytesPerNano * 1e9);
        for (DecodeFigures one : figures) {
            ObjectNode node = ((ArrayNode) root.get("runs")).addObject();
            node.put("cache", one.cache().toString()).put("load", one.load());
            node.put("deviceBytes", isModel(one) ? modelBudget : attentionBudget);
            node.put("promptTokens", one.promptTokens()).put("newTokens", one.newTokens());
            node.put("sequencesPlanned", one.planned()).put("sequences", one.sequences());
            node.put("retainedShare", one.retainedShare());
            node.put("deviceBytesPeak", one.deviceBytesPeak()).put("hostBytesPeak", one.hostBytesPeak());
            node.putObject("tokensPerSecond")
                    .put("decode", one.decodeTokensPerSecond())
                    .put("promptsCounted", one.prefillNanos() == 0 ? 0 : one.allTokensPerSecond())
                    .put("floor", one.floorTokensPerSecond());
            node.put("stepNanos", one.stepNanos()).put("stepFloorNanos", Math.round(one.floorNanos()));
            node.put("stepBytes", one.stepBytes()).put("attentionShare", one.attentionShare());
            node.put("tileHitRatio", one.hitRatio());
        }
        return root;
    }
}
