package io.kvmanager.inference.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.inference.evaluation.CacheEntry;
import io.kvmanager.inference.evaluation.Comparison;
import io.kvmanager.inference.evaluation.EntryResult;
import io.kvmanager.inference.evaluation.EvaluationText;
import io.kvmanager.inference.evaluation.RecallFile;
import io.kvmanager.inference.evaluation.RecallQuestion;
import io.kvmanager.inference.evaluation.RecallQuestions;
import io.kvmanager.inference.model.Model;
import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kv compare}: what caches cost and lose on the same text and the same questions. */
@Command(
        name = "compare",
        description = "Compares caches with full: memory, perplexity, and answers to questions about planted facts.")
final class CompareCommand implements Callable<Integer> {
    private static final String CACHES =
            "full,paged,local,pyramid[retention=paper-7b],pyramid[retention=half]," + "pyramid,kcache,pyramid+kcache";

    /** Each fitted to every budget, beside what is not fitted. */
    private static final String SWEEP = "full,local=local[budget={.02..1}],h2o=h2o[budget={.02..1}],"
            + "snapkv=snapkv[budget={.02..1}],pyramidkv=pyramidkv[budget={.02..1}],tova=tova[budget={.02..1}],quest,"
            + "paper=pyramid[retention=pyramid(curve=cosine,d={.02..1},recent=.1)],"
            + "pyramid=pyramid[retention=profile^{8.0..0}],kcache,"
            + "pyramid+kcache=pyramid+kcache[retention=profile^{8.0..0}]";

    private final Console console;

    @Mixin
    private final ModelOption model = new ModelOption();

    @Option(
            names = {"-t", "--text"},
            required = true,
            paramLabel = "<file>",
            description = "Text that the model has not seen, UTF-8, also as .gz.")
    private String text = "";

    @Option(
            names = "--prompt-tokens",
            paramLabel = "<n>",
            description = "Tokens of each prompt. Default: ${DEFAULT-VALUE}.")
    private int promptTokens = 700;

    @Option(
            names = "--new-tokens",
            paramLabel = "<n>",
            description = "Tokens scored behind each prompt. Default: ${DEFAULT-VALUE}.")
    private int newTokens = 200;

    @Option(
            names = "--windows",
            paramLabel = "<n>",
            description = "Places in the text, spread evenly. Default: ${DEFAULT-VALUE}.")
    private int windows = 3;

    @Option(
            names = "--caches",
            paramLabel = "<list>",
            description = "Caches, each with a label and settings of its own where wanted: label=name[key=value,...]. "
                    + "Default: " + CACHES + "; with --budgets: " + SWEEP + ".")
    private @Nullable String caches;

    @Option(
            names = "--budgets",
            paramLabel = "<list>",
            description = "Device bytes as shares of what full holds, such as 0.3,0.46,0.6: each cache with a range "
                    + "{least..most} among its settings is fitted to each.")
    private @Nullable String budgets;

    @Option(
            names = "--recall",
            paramLabel = "<file>",
            description = "Recall questions, one JSON object per line with ids and answer_ids.")
    private @Nullable String recall;

    @Option(
            names = "--questions",
            paramLabel = "<n>",
            description = "Recall questions to make from the text where no file is given; 0 = none. "
                    + "Default: ${DEFAULT-VALUE}.")
    private int questions = 28;

    @Option(
            names = "--filling-questions",
            paramLabel = "<n>",
            description = "Further ones whose prompts fill the model's context, the fact at several depths. "
                    + "Default: ${DEFAULT-VALUE}.")
    private int fillingQuestions = 5;

    @Option(names = "--seed", paramLabel = "<n>", description = "Of these questions. Default: ${DEFAULT-VALUE}.")
    private long seed = 1;

    @Mixin
    private final SettingOptions settings = new SettingOptions();

    @Mixin
    private final JsonOption json = new JsonOption();

    @Option(names = "--report", paramLabel = "<file>", description = "Writes the comparison to an HTML file.")
    private @Nullable String report;

    @Option(
            names = "--markdown",
            paramLabel = "<file>",
            description = "Writes the comparison's tables to a Markdown file.")
    private @Nullable String markdown;

    CompareCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        BadInput.requireAtLeast("--prompt-tokens", promptTokens, 2);
        BadInput.requireAtLeast("--new-tokens", newTokens, 1);
        BadInput.requireAtLeast("--windows", windows, 1);
        BadInput.requireAtLeast("--questions", questions, 0);
        BadInput.requireAtLeast("--filling-questions", fillingQuestions, 0);
        List<CacheEntry> entries = entries();
        Map<String, String> common = settings.pairs();
        json.check();
        OutputFile reportFile = report == null ? null : OutputFile.check("--report", report);
        OutputFile markdownFile = markdown == null ? null : OutputFile.check("--markdown", markdown);
        Model loaded = model.load();
        checkContext(loaded);
        checkSettings(loaded, entries, common);
        EvaluationText passages = text("--text", text, loaded);
        Comparison comparison =
                new Comparison(loaded, common, settings.device(), windows(passages), questions(loaded, passages));
        List<EntryResult> results;
        try (Progress progress = new Progress(console)) {
            results = comparison.run(entries, progress::step);
        }
        ComparisonTable.print(results, windows, promptTokens, newTokens, console);
        if (json.wanted()) {
            ObjectNode root = Json.envelope("compare", results.getFirst().device(), loaded);
            root.put("promptTokens", promptTokens).put("newTokens", newTokens).put("windows", windows);
            results.forEach(result -> ComparisonJson.addRun(root, result));
            json.write(root);
        }
        if (reportFile != null) {
            reportFile.write(ComparisonReport.html(loaded, results, windows, promptTokens, newTokens));
            console.line("Report: " + reportFile.path());
        }
        if (markdownFile != null) {
            markdownFile.write(ComparisonMarkdown.text(results));
        }
        return 0;
    }

    /** The caches listed, those with a range once per budget. */
    private List<CacheEntry> entries() {
        List<Double> shares = budgets();
        String list = caches != null ? caches : shares.isEmpty() ? CACHES : SWEEP;
        List<CacheEntry> entries = new ArrayList<>();
        try {
            for (CacheEntry entry : CacheEntry.parseList(list)) {
                if (!entry.hasRange()) {
                    entries.add(entry);
                } else if (shares.isEmpty()) {
                    throw new BadInput("--caches " + entry.series() + " has a range, which --budgets fits; give both");
                } else {
                    shares.forEach(share -> entries.add(entry.withBudget(share)));
                }
            }
        } catch (IllegalArgumentException e) {
            throw BadInput.of("--caches", e);
        }
        return entries;
    }

    private List<Double> budgets() {
        List<Double> shares = new ArrayList<>();
        if (budgets == null) {
            return shares;
        }
        for (String text : budgets.split(",", -1)) {
            String accepted =
                    "--budgets '" + text.strip() + "' is not accepted; accepted: numbers above 0, such as 0.46";
            try {
                shares.add(Double.parseDouble(text.strip()));
            } catch (NumberFormatException e) {
                throw new BadInput(accepted);
            }
            if (!(shares.getLast() > 0 && shares.getLast() < CacheEntry.UNLIMITED)) {
                throw new BadInput(accepted);
            }
        }
        return shares;
    }

    private void checkContext(Model loaded) {
        int context = loaded.config().context();
        if ((long) promptTokens + newTokens > context) {
            throw new BadInput("--prompt-tokens " + promptTokens + " and --new-tokens " + newTokens
                    + " exceed the context of model " + loaded.name() + "; accepted: " + context + " in all");
        }
    }

    private void checkSettings(Model loaded, List<CacheEntry> entries, Map<String, String> common) {
        for (CacheEntry entry : Comparison.withFullFirst(entries)) {
            try {
                entry.config(loaded, promptTokens, promptTokens + newTokens, common, settings.device());
            } catch (IllegalArgumentException e) {
                throw BadInput.of("--caches " + entry.label(), e);
            }
        }
    }

    /** The text that a flag names. */
    static EvaluationText text(String flag, String file, Model model) {
        try {
            return EvaluationText.read(Path.of(file), model);
        } catch (InvalidPathException e) {
            throw new BadInput(flag + " '" + file + "' is no path");
        } catch (IllegalArgumentException e) {
            throw BadInput.of(flag, e);
        }
    }

    private List<EvaluationText.Window> windows(EvaluationText passages) {
        try {
            return passages.windows(promptTokens, newTokens, windows);
        } catch (IllegalArgumentException e) {
            throw BadInput.of("--text", e);
        }
    }

    private List<RecallQuestion> questions(Model loaded, EvaluationText passages) {
        RecallQuestions maker = new RecallQuestions(loaded, passages);
        List<RecallQuestion> asked = new ArrayList<>();
        try {
            asked.addAll(recall == null ? maker.make(questions, seed) : RecallFile.read(Path.of(recall), loaded));
        } catch (IllegalArgumentException e) {
            throw BadInput.of(recall == null ? "--questions" : "--recall", e);
        }
        try {
            asked.addAll(maker.makeFilling(fillingQuestions, seed));
        } catch (IllegalArgumentException e) {
            throw BadInput.of("--filling-questions", e);
        }
        return asked;
    }
}
