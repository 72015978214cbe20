package io.kvmanager.inference.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.ByteSize;
import io.kvmanager.CacheName;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.TextStream;
import java.io.IOException;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kv demo}: the embedded model under every cache, side by side. */
@Command(
        name = "demo",
        description = "Lets the embedded model write under every cache, and compares memory, speed and answers.")
final class DemoCommand implements Callable<Integer> {
    private static final CacheName DEFAULT = CacheName.PYRAMID_KCACHE;
    private static final int SHOWN_CHARACTERS = 72;

    private final Console console;

    @Option(
            names = {"-p", "--prompt"},
            paramLabel = "<text>",
            description = "What to continue. Default: the demo's own story.")
    private @Nullable String prompt;

    @Option(
            names = {"-n", "--tokens"},
            paramLabel = "<n>",
            description = "Tokens to generate under each cache. Default: ${DEFAULT-VALUE}.")
    private int tokens = 96;

    @Option(names = "--quick", description = "Uses the end of the story only and asks no questions.")
    private boolean quick;

    @Mixin
    private final SettingOptions settings = new SettingOptions();

    @Mixin
    private final SamplingOptions sampling = new SamplingOptions();

    @Option(
            names = "--report",
            paramLabel = "<file>",
            description = "Where to write the report, one HTML file. Default: ${DEFAULT-VALUE}.")
    private String report = "kv-report.html";

    @Mixin
    private final JsonOption json = new JsonOption();

    DemoCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        BadInput.requireAtLeast("--tokens", tokens, 1);
        OutputFile reportFile = OutputFile.check("--report", report);
        json.check();
        sampling.sampler();
        Model model = Model.load(Model.EMBEDDED);
        DemoStory whole = DemoStory.of(model.tokenizer());
        DemoStory story = quick ? whole.shortened(160, 48) : whole;
        String start = prompt == null ? story.opening() : prompt;
        Prompts.ids(model, start);

        Map<CacheName, DemoRun> runs = new EnumMap<>(CacheName.class);
        try (Progress progress = new Progress(console)) {
            Work work = new Work(model, story, start, progress);
            runs.put(DEFAULT, streamed(work));
            for (CacheName cache : CacheName.values()) {
                if (cache != DEFAULT && !cache.budgeted()) {
                    runs.put(cache, run(work, cache, id -> {}));
                }
            }
        }
        printTexts(runs);
        printTable(runs, story);
        reportFile.write(DemoReport.html(model, story, start, runs));
        if (json.wanted()) {
            json.write(json(model, story, runs));
        }
        console.line("");
        console.line("Report: " + reportFile.path());
        return 0;
    }

    private record Work(Model model, DemoStory story, String prompt, Progress progress) {}

    /** The default cache, its text shown as it comes. */
    private DemoRun streamed(Work work) {
        console.line(console.bold("The embedded model continues under " + DEFAULT + ":"));
        console.out().print(console.dim(Prompts.tail(work.prompt())));
        console.out().flush();
        TextStream stream = work.model().tokenizer().stream();
        int[] left = {tokens};
        DemoRun run = run(work, DEFAULT, id -> {
            work.progress().hide();
            console.out().print(stream.next(id));
            console.out().flush();
            if (--left[0] == 0) {
                console.line(stream.end());
            }
        });
        if (left[0] > 0) {
            console.line(stream.end());
        }
        return run;
    }

    private DemoRun run(Work work, CacheName cache, IntConsumer onToken) {
        Model model = work.model();
        DemoStory story = work.story();
        int[] promptIds = Prompts.ids(model, work.prompt());
        int context = model.config().context();
        int promptTokens = Math.max(promptIds.length, story.promptIds().size());
        int length = Math.min(context, Math.max(promptIds.length + tokens, story.tokens()));
        KvCacheConfig config = settings.comparedConfig(cache, model, Math.max(length, promptTokens), promptTokens);

        long steps = (long) tokens + story.nextIds().size();
        long[] done = {0};
        boolean streams = cache == DEFAULT;
        return DemoRun.of(
                model,
                config,
                story,
                promptIds,
                tokens,
                sampling.sampler(),
                id -> {
                    onToken.accept(id);
                    done[0]++;
                    if (!streams) {
                        work.progress().step(cache + " writes", done[0], steps);
                    }
                },
                step -> work.progress().step(cache + " reads the story", tokens + step, steps));
    }

    private void printTexts(Map<CacheName, DemoRun> runs) {
        console.line("");
        console.line(console.bold("Under the other caches, same seed:"));
        TextTable table = new TextTable("cache", "text").left(1);
        runs.forEach((cache, run) -> {
            String text = run.text().strip().replaceAll("\\s+", " ");
            String start = text.length() <= SHOWN_CHARACTERS
                    ? text
                    : text.substring(0, text.offsetByCodePoints(0, SHOWN_CHARACTERS))
                            + (console.unicode() ? "…" : "...");
            table.row(cache.toString(), start);
        });
        table.lines().stream().skip(1).forEach(console::line);
    }

    private void printTable(Map<CacheName, DemoRun> runs, DemoStory story) {
        console.line("");
        console.line(console.bold("A story of " + story.tokens() + " tokens under each:"));
        TextTable table = new TextTable(
                        "cache",
                        "device",
                        "of full",
                        "host",
                        "layers keep",
                        "prefill/s",
                        "decode/s",
                        "perplexity",
                        "recall")
                .left(4);
        runs.forEach((cache, run) -> table.row(
                cache.toString(),
                ByteSize.format(run.memory().deviceBytesPeak()),
                String.format(Locale.ROOT, "%.0f %%", 100 * run.deviceShare()),
                run.memory().hostBytesPeak() == 0
                        ? "-"
                        : ByteSize.format(run.memory().hostBytesPeak()),
                Bars.layers(run.retained(), run.storyTokens(), console.unicode()),
                String.format(Locale.ROOT, "%.0f", run.prefillTokensPerSecond()),
                String.format(Locale.ROOT, "%.0f", run.decodeTokensPerSecond()),
                String.format(Locale.ROOT, "%.2f", run.perplexity()),
                run.questions() == 0 ? "-" : run.answeredRight() + "/" + run.questions()));
        table.print(console, DEFAULT.toString());
        console.line(console.dim("device, host: bytes at peak; layers keep: tokens, first layer to last;"));
        console.line(
                console.dim("perplexity: on the story's end, lower is better; recall: facts of the story asked for"));
    }

    private static ObjectNode json(Model model, DemoStory story, Map<CacheName, DemoRun> runs) {
        DemoRun full = Objects.requireNonNull(runs.get(CacheName.FULL));
        ObjectNode root = Json.envelope("demo", full.device(), model);
        runs.values().forEach(run -> {
            ObjectNode node = Json.addRun(root, run.json());
            node.put("perplexity", run.perplexity());
            node.put("topOneAgreement", run.topOneAgreement(full, story.continuationTokens()));
            node.put("missedMassMean", run.fetched().missedMassMean());
            if (run.questions() > 0) {
                node.put("recall", run.recall());
            }
            node.put("storyTokens", run.storyTokens());
            node.put("text", run.text());
        });
        return root;
    }
}
