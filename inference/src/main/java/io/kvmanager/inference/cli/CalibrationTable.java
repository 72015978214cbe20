package io.kvmanager.inference.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.inference.evaluation.Calibration;
import io.kvmanager.inference.evaluation.EntryResult;
import io.kvmanager.inference.evaluation.MassTable;
import java.util.ArrayList;
import java.util.List;

/** What a calibration chose and predicted, and what was then measured on text and questions that took no part. */
final class CalibrationTable {
    private final Calibration.Result result;

    CalibrationTable(Calibration.Result result) {
        this.result = result;
    }

    /** Prints everything. */
    void print(Console console, long nanos) {
        MassTable mass = result.mass();
        List<String> titles = new ArrayList<>(List.of("layer", "keeps"));
        mass.shares().forEach(share -> titles.add("at " + ComparisonTable.number("%.2f", share)));
        titles.addAll(List.of("predicted", "measured"));
        TextTable table = new TextTable(titles.toArray(String[]::new));
        for (int layer = 0; layer < mass.lost().size(); layer++) {
            List<String> cells = new ArrayList<>(row(layer).subList(0, 2));
            mass.lost().get(layer).forEach(lost -> cells.add(ComparisonTable.number("%.3f", 1 - lost)));
            cells.addAll(row(layer).subList(2, 4));
            table.row(cells.toArray(String[]::new));
        }
        EntryResult verified = result.verified();
        console.line(
                "attention mass kept, the smaller of prose and answers, by share of the tokens kept; of prose with "
                        + "the shares chosen: predicted, and measured on text held back");
        table.print(console, "");
        console.line("");
        console.line("on text and " + verified.answers().size() + " questions held back: keeps "
                + ComparisonTable.percent(verified.retainedShare()) + " of the tokens, perplexity x "
                + ComparisonTable.number("%.4f", verified.perplexityRatio()) + ", answers "
                + ComparisonTable.percent(verified.recallOfFull()) + " of what full answers (predicted: "
                + ComparisonTable.percent(result.predicted().recallOfFull()) + " of "
                + result.calibrationQuestions() + "); " + ComparisonTable.number("%.0f", nanos / 1e9) + " s");
    }

    /** Layer, share, mass kept as predicted and as measured. */
    private List<String> row(int layer) {
        return List.of(
                String.valueOf(layer),
                ComparisonTable.number("%.2f", result.profile().shares().get(layer)),
                ComparisonTable.number(
                        "%.3f", 1 - result.predicted().droppedMassPerLayer().get(layer)),
                ComparisonTable.number(
                        "%.3f",
                        1 - result.verified().attention().droppedMassPerLayer().get(layer)));
    }

    /** A table without times. */
    String markdown() {
        List<List<String>> rows = new ArrayList<>();
        for (int layer = 0; layer < result.profile().shares().size(); layer++) {
            rows.add(row(layer));
        }
        EntryResult verified = result.verified();
        rows.add(List.of(
                "all",
                ComparisonTable.number("%.2f", verified.retainedShare()),
                ComparisonTable.number("%.3f", kept(result.predicted().droppedMassPerLayer())),
                ComparisonTable.number("%.3f", kept(verified.attention().droppedMassPerLayer()))));
        StringBuilder text = new StringBuilder();
        ComparisonMarkdown.table(
                text, List.of("layer", "share kept", "mass kept, predicted", "mass kept, held-back text"), rows);
        text.append("\nRecall of what `full` answers: predicted ")
                .append(ComparisonTable.percent(result.predicted().recallOfFull()))
                .append(" of ")
                .append(result.calibrationQuestions())
                .append(" questions, measured ")
                .append(ComparisonTable.percent(verified.recallOfFull()))
                .append(" on ")
                .append(verified.answers().size())
                .append(" others. Perplexity × ")
                .append(ComparisonTable.number("%.4f", verified.perplexityRatio()))
                .append(".\n");
        return text.toString();
    }

    private static double kept(List<Double> dropped) {
        return 1 - dropped.stream().mapToDouble(Double::doubleValue).average().orElse(0);
    }

    /** Adds what was verified as a run, and what was predicted for it. */
    void addRun(ObjectNode envelope, long nanos) {
        ObjectNode run = ComparisonJson.addRun(envelope, result.verified());
        add(run.putArray("shares"), result.profile().shares());
        add(run.putArray("predictedDroppedMassPerLayer"), result.predicted().droppedMassPerLayer());
        run.put("calibrationQuestions", result.calibrationQuestions());
        if (!Double.isNaN(result.predicted().recallOfFull())) {
            run.put("predictedRecallOfFull", result.predicted().recallOfFull());
        }
        run.put("calibrationNanos", nanos);
    }

    private static void add(ArrayNode to, List<Double> values) {
        values.forEach(to::add);
    }
}
