package io.kvmanager.inference.cli;

import io.kvmanager.RetentionPolicy.PerLayer;
import io.kvmanager.inference.evaluation.Calibration;
import io.kvmanager.inference.evaluation.EntryResult;
import io.kvmanager.inference.evaluation.MassTable;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.RetentionProfile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kv calibrate}: measures how much each layer of a model may forget, and writes that beside the model. */
@Command(name = "calibrate", description = "Measures a retention profile: how much each layer of a model may forget.")
final class CalibrateCommand implements Callable<Integer> {
    private final Console console;

    @Mixin
    private final ModelOption model = new ModelOption();

    @Option(
            names = {"-t", "--text"},
            required = true,
            paramLabel = "<file>",
            description = "Prose to measure on, UTF-8, also as .gz; at least 4000 tokens.")
    private String text = "";

    @Option(
            names = {"-o", "--out"},
            required = true,
            paramLabel = "<file>",
            description =
                    "The profile; named " + RetentionProfile.FILE_NAME + " in the model's folder it is found there.")
    private String out = "";

    @Option(
            names = "--mass-loss",
            paramLabel = "<share>",
            description = "Attention mass that a layer may miss, 0 to 1. Default: ${DEFAULT-VALUE}.")
    private double massLoss = .05;

    @Option(
            names = "--questions",
            paramLabel = "<n>",
            description = "Recall questions to choose by, and as many to verify with. Default: ${DEFAULT-VALUE}.")
    private int questions = 42;

    @Option(names = "--seed", paramLabel = "<n>", description = "Of these questions. Default: ${DEFAULT-VALUE}.")
    private long seed = 1;

    @Option(names = "--device", paramLabel = "<device>", description = "Default: ${DEFAULT-VALUE}.")
    private String device = "auto";

    CalibrateCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        BadInput.requireAtLeast("--questions", questions, 1);
        if (!(massLoss >= 0 && massLoss <= 1)) {
            throw new BadInput("--mass-loss '" + massLoss + "' is not accepted; accepted: 0 to 1");
        }
        OutputFile file = OutputFile.check("--out", out);
        Model loaded = model.load();
        PerLayer policy = PerLayer.of("profile", List.of(1.));
        Calibration calibration =
                new Calibration(loaded, CompareCommand.text("--text", text, loaded), policy, massLoss, device);
        long start = System.nanoTime();
        Calibration.Result result;
        try (Progress progress = new Progress(console)) {
            result = calibration.run(questions, seed, progress::step);
        }
        print(result, System.nanoTime() - start);
        RetentionProfile.write(file.path(), result.profile(), remarks(loaded, result));
        console.line("written to " + file.path());
        return 0;
    }

    private void print(Calibration.Result result, long nanos) {
        MassTable mass = result.mass();
        List<String> titles = new ArrayList<>(List.of("layer", "keeps"));
        mass.shares().forEach(share -> titles.add("at " + ComparisonTable.number("%.2f", share)));
        TextTable table = new TextTable(titles.toArray(String[]::new));
        for (int layer = 0; layer < mass.lost().size(); layer++) {
            List<String> cells = new ArrayList<>();
            cells.add(String.valueOf(layer));
            cells.add(ComparisonTable.number("%.2f", result.profile().shares().get(layer)));
            mass.lost().get(layer).forEach(lost -> cells.add(ComparisonTable.number("%.3f", 1 - lost)));
            table.row(cells.toArray(String[]::new));
        }
        EntryResult verified = result.verified();
        console.line("attention mass kept, the smaller of prose and answers, by share of the tokens kept");
        table.print(console, "");
        console.line("");
        console.line("on text and " + verified.answers().size() + " questions held back: keeps "
                + ComparisonTable.percent(verified.retainedShare()) + " of the tokens, perplexity x "
                + ComparisonTable.number("%.4f", verified.perplexityRatio()) + ", answers "
                + ComparisonTable.percent(verified.recallOfFull()) + " of what full answers; "
                + ComparisonTable.number("%.0f", nanos / 1e9) + " s");
    }

    private Map<String, Object> remarks(Model loaded, Calibration.Result result) {
        EntryResult verified = result.verified();
        Map<String, Object> remarks = new LinkedHashMap<>();
        remarks.put("model", loaded.name());
        remarks.put("massLossTolerated", massLoss);
        remarks.put("seed", seed);
        remarks.put("calibrationQuestions", result.calibrationQuestions());
        remarks.put("heldBackQuestions", verified.answers().size());
        remarks.put("retainedShare", verified.retainedShare());
        remarks.put("perplexityRatio", verified.perplexityRatio());
        remarks.put("klMean", verified.klMean());
        if (!Double.isNaN(verified.recallOfFull())) {
            remarks.put("recallOfFull", verified.recallOfFull());
        }
        remarks.put("candidateShares", result.mass().shares());
        remarks.put("massLostPerLayer", result.mass().lost());
        return remarks;
    }
}
