package io.kvmanager.inference.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.inference.evaluation.AttentionLoss;
import io.kvmanager.inference.evaluation.CacheEntry;
import io.kvmanager.inference.evaluation.EntryResult;
import io.kvmanager.inference.evaluation.RecallAnswer;
import java.util.List;

/** The outcome of a comparison as the runs of a JSON object. */
final class ComparisonJson {
    private ComparisonJson() {}

    /** Adds a result to the runs of an envelope; fields may follow. */
    static ObjectNode addRun(ObjectNode envelope, EntryResult result) {
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
        if (result.entry().budget() != CacheEntry.UNLIMITED) {
            run.put("series", result.entry().series());
            run.put("budget", result.entry().budget());
        }
        run.put("deviceBytesAllocated", result.memory().deviceBytesAllocated());
        run.put("deviceShare", result.deviceShare());
        run.put("allocatedShare", result.allocatedShare());
        run.put("retainedShare", result.retainedShare());
        run.put("perplexity", result.perplexity());
        run.put("perplexityRatio", result.perplexityRatio());
        run.put("topOneAgreement", result.topOneAgreement());
        run.put("klMean", result.klMean());
        addAttention(run, result.attention());
        run.put("missedMassMean", result.fetch().missedMassMean());
        run.put("greedyAgreementTokens", result.greedy().agreementMean());
        run.put("greedyTokens", result.greedy().tokensMean());
        if (ComparisonTable.selects(result)) {
            run.put("tileHitRatio", result.fetch().hitRatio());
            run.put("tilesSelectedShare", result.fetch().selectedShare());
            addAll(run.putArray("missedMassPerLayer"), result.attention().missedMassPerLayer());
            addAll(run.putArray("bytesFetchedPerStep"), result.attention().bytesFetchedPerStep());
        }
        if (!result.answers().isEmpty()) {
            addRecall(run, result);
        }
        return run;
    }

    private static void addAttention(ObjectNode run, AttentionLoss attention) {
        run.put("attentionOutputs", attention.outputs());
        run.put("attentionErrorMean", attention.errorMean());
        run.put("attentionErrorMax", attention.errorMax());
        run.put("fetchErrorMean", attention.fetchErrorMean());
        run.put("fetchErrorMax", attention.fetchErrorMax());
        run.put("droppedMassMean", attention.droppedMassMean());
        addAll(run.putArray("droppedMassPerLayer"), attention.droppedMassPerLayer());
        attention.bounds().ifPresent(bounds -> {
            run.put("boundMax", bounds.max());
            run.put("boundViolations", bounds.violations());
            if (!Double.isNaN(bounds.slackMedian())) {
                run.put("boundSlackMedian", bounds.slackMedian());
                run.put("boundSlackP99", bounds.slackP99());
            }
            addAll(run.putArray("boundPerLayer"), bounds.meanPerLayer());
        });
    }

    private static void addAll(ArrayNode to, List<Double> values) {
        values.forEach(to::add);
    }

    private static void addRecall(ObjectNode run, EntryResult result) {
        run.put("questions", result.answers().size());
        run.put("recall", result.recall());
        if (!Double.isNaN(result.recallOfFull())) {
            run.put("recallOfFull", result.recallOfFull());
        }
        addGroups(run.putArray("recallByDistance"), "distance", RecallAnswer.byDistance(result.answers()));
        addGroups(run.putArray("recallByDepth"), "depth", RecallAnswer.byDepth(result.answers()));
    }

    private static void addGroups(ArrayNode to, String key, List<RecallAnswer.Group> groups) {
        for (RecallAnswer.Group group : groups) {
            to.addObject()
                    .put(key, group.name())
                    .put("questions", group.questions())
                    .put("rightOfFull", group.rightOfFull())
                    .put("kept", group.kept())
                    .put("deviceShareMean", group.deviceShareMean());
        }
    }
}
