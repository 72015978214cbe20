package io.kvmanager.inference.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.RetentionPolicy.PerLayer;
import io.kvmanager.inference.evaluation.Calibration;
import io.kvmanager.inference.evaluation.EntryResult;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.RetentionProfile;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
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

    @Mixin
    private final JsonOption json = new JsonOption();

    @Option(
            names = "--markdown",
            paramLabel = "<file>",
            description = "Writes what was predicted and measured to a Markdown file.")
    private @Nullable String markdown;

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
        json.check();
        OutputFile markdownFile = markdown == null ? null : OutputFile.check("--markdown", markdown);
        Model loaded = model.load();
        PerLayer policy = PerLayer.of("profile", List.of(1.));
        Calibration calibration =
                new Calibration(loaded, CompareCommand.text("--text", text, loaded), policy, massLoss, device);
        long start = System.nanoTime();
        Calibration.Result result;
        try (Progress progress = new Progress(console)) {
            result = calibration.run(questions, seed, progress::step);
        }
        long nanos = System.nanoTime() - start;
        CalibrationTable table = new CalibrationTable(result);
        table.print(console, nanos);
        if (json.wanted()) {
            ObjectNode root = Json.envelope("calibrate", result.verified().device(), loaded);
            table.addRun(root, nanos);
            json.write(root);
        }
        if (markdownFile != null) {
            markdownFile.write(table.markdown());
        }
        RetentionProfile.write(file.path(), result.profile(), remarks(loaded, result));
        console.line("written to " + file.path());
        return 0;
    }

    private Map<String, Object> remarks(Model loaded, Calibration.Result result) {
        EntryResult verified = result.verified();
        Map<String, Object> remarks = new LinkedHashMap<>();
        remarks.put("model", loaded.name());
        remarks.put("massLossTolerated", massLoss);
        remarks.put("seed", seed);
        remarks.put("calibrationQuestions", result.calibrationQuestions());
        remarks.put("heldBackQuestions", verified.answers().size());
        remarks.put("retainedShare", rounded(verified.retainedShare()));
        remarks.put("perplexityRatio", rounded(verified.perplexityRatio()));
        remarks.put("klMean", rounded(verified.klMean()));
        if (!Double.isNaN(verified.recallOfFull())) {
            remarks.put("recallOfFull", rounded(verified.recallOfFull()));
        }
        remarks.put("candidateShares", result.mass().shares());
        List<List<Double>> lost = result.mass().lost();
        remarks.put(
                "massLostPerLayer",
                lost.stream()
                        .map(layer ->
                                layer.stream().map(CalibrateCommand::rounded).toList())
                        .toList());
        return remarks;
    }

    /** Four digits: more would only be noise. */
    private static double rounded(double value) {
        return Math.rint(value * 1e4) / 1e4;
    }
}
