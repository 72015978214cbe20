package io.kvmanager.inference.cli;

import io.kvmanager.ByteSize;
import io.kvmanager.CacheName;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.inference.cli.BarChart.Bar;
import io.kvmanager.inference.cli.Chart.Tone;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/** The demo's report. */
final class DemoReport {
    private static final CacheName CHOSEN = CacheName.PYRAMID_KCACHE;

    private final Model model;
    private final DemoStory story;
    private final String prompt;
    private final Map<CacheName, DemoRun> runs;
    private final DemoRun full;
    private final DemoRun chosen;

    private DemoReport(Model model, DemoStory story, String prompt, Map<CacheName, DemoRun> runs) {
        this.model = model;
        this.story = story;
        this.prompt = prompt;
        this.runs = runs;
        full = Objects.requireNonNull(runs.get(CacheName.FULL));
        chosen = Objects.requireNonNull(runs.get(CHOSEN));
    }

    static String html(Model model, DemoStory story, String prompt, Map<CacheName, DemoRun> runs) {
        return new DemoReport(model, story, prompt, runs).html();
    }

    private String html() {
        Report report = new Report(
                "KV cache demo",
                CHOSEN + " held " + percent(chosen.deviceShare()) + " of the device memory that full holds",
                "One model, one story of " + story.tokens() + " tokens, " + runs.size()
                        + " ways to remember it. Each cache continued the same prompt with the same seed, then read"
                        + " the story; memory, speed, perplexity and answers were measured there.");
        report.cards(cards());
        report.section(
                "Side by side",
                "Device and host: bytes at peak while the story was read, tables and workspace among them. Of full: "
                        + "beside the bytes of all keys and values alone. Tokens a second on this machine.");
        report.table(
                List.of(
                        "Cache",
                        "Device",
                        "Of full",
                        "Host",
                        "Tokens kept",
                        "Prefill/s",
                        "Decode/s",
                        "Perplexity",
                        "Recall"),
                rows(),
                CHOSEN.toString());
        report.section(
                "Memory",
                "Device and host bytes at peak; the dashed line is what full holds for the story, "
                        + ByteSize.format(full.fullBytes()) + ".");
        report.chart(memory());
        report.section(
                "What each layer keeps",
                "Tokens per layer at the end of the story, the first layer at the bottom; grey is what full keeps.");
        report.charts(pyramids());
        report.section("What it costs", costNote());
        report.charts(quality());
        report.section("The texts", "The same seed under every cache. They part where a cache forgot what mattered.");
        report.prompt(Prompts.tail(prompt));
        report.texts(runs.values().stream().map(this::text).toList());
        report.section("Configuration", "Effective settings; kv demo --set key=value changes them.");
        report.facts(facts());
        return report.html(full.device() + "; " + Machine.jvm());
    }

    private List<Report.Card> cards() {
        List<Report.Card> cards = new ArrayList<>();
        cards.add(new Report.Card(
                percent(chosen.deviceShare()),
                "of full's device memory",
                ByteSize.format(chosen.memory().deviceBytesPeak()) + " instead of "
                        + ByteSize.format(full.fullBytes())));
        cards.add(new Report.Card(
                ByteSize.format(chosen.memory().hostBytesPeak()), "in host memory instead", "V of the settled tokens"));
        cards.add(new Report.Card(
                number(chosen.perplexity()), "perplexity", "full: " + number(full.perplexity()) + ", lower is better"));
        if (chosen.questions() > 0) {
            cards.add(new Report.Card(
                    chosen.answeredRight() + " of " + chosen.questions(),
                    "facts recalled",
                    "full: " + full.answeredRight() + " of " + full.questions()));
        }
        return cards;
    }

    private List<List<String>> rows() {
        List<List<String>> rows = new ArrayList<>();
        runs.forEach((cache, run) -> rows.add(List.of(
                cache.toString(),
                ByteSize.format(run.memory().deviceBytesPeak()),
                percent(run.deviceShare()),
                run.memory().hostBytesPeak() == 0
                        ? "–"
                        : ByteSize.format(run.memory().hostBytesPeak()),
                percent(kept(run)),
                String.format(Locale.ROOT, "%.0f", run.prefillTokensPerSecond()),
                String.format(Locale.ROOT, "%.0f", run.decodeTokensPerSecond()),
                number(run.perplexity()),
                run.questions() == 0 ? "–" : run.answeredRight() + " of " + run.questions())));
        return rows;
    }

    private static double kept(DemoRun run) {
        return run.retained().stream().mapToInt(Integer::intValue).average().orElse(0) / Math.max(1, run.storyTokens());
    }

    private Chart memory() {
        List<Bar> bars = new ArrayList<>();
        double longest = full.fullBytes();
        for (DemoRun run : runs.values()) {
            double device = run.memory().deviceBytesPeak();
            double host = run.memory().hostBytesPeak();
            longest = Math.max(longest, device + host);
            bars.add(new Bar(
                    run.name(),
                    List.of(device, host),
                    ByteSize.format((long) device) + (host == 0 ? "" : " + " + ByteSize.format((long) host)),
                    run.isOf(CHOSEN)));
        }
        return new BarChart(
                "Bytes at peak",
                List.of("Device memory", "Host memory"),
                List.of(Tone.MAIN, Tone.SECOND),
                bars,
                longest,
                full.fullBytes());
    }

    private Map<String, Chart> pyramids() {
        Map<String, Chart> charts = new LinkedHashMap<>();
        for (DemoRun run : runs.values()) {
            Tone tone = run.isOf(CHOSEN) ? Tone.MAIN : Tone.REST;
            charts.put(
                    run.name() + ", " + percent(kept(run)),
                    new LayerChart(run.name(), run.retained(), run.storyTokens(), tone));
        }
        return charts;
    }

    private String costNote() {
        return "Perplexity is measured on the last " + story.continuationTokens()
                + " tokens of the story. Text can stay fluent while facts are gone, so facts told earlier are asked"
                + " for.";
    }

    private Map<String, Chart> quality() {
        Map<String, Chart> charts = new LinkedHashMap<>();
        List<Bar> perplexities = new ArrayList<>();
        List<Bar> answers = new ArrayList<>();
        double most = 0;
        for (DemoRun run : runs.values()) {
            most = Math.max(most, run.perplexity());
            perplexities.add(new Bar(
                    run.name(),
                    List.of(run.perplexity()),
                    String.format(
                            Locale.ROOT,
                            "%.2f (%+.1f %%)",
                            run.perplexity(),
                            100 * (run.perplexity() / full.perplexity() - 1)),
                    run.isOf(CHOSEN)));
            answers.add(new Bar(
                    run.name(),
                    List.of((double) run.answeredRight()),
                    run.answeredRight() + " of " + run.questions(),
                    run.isOf(CHOSEN)));
        }
        charts.put("Perplexity, lower is better", single("Perplexity", perplexities, most, full.perplexity()));
        if (chosen.questions() > 0) {
            charts.put("Facts recalled", single("Facts recalled", answers, chosen.questions(), Double.NaN));
        }
        return charts;
    }

    private static Chart single(String title, List<Bar> bars, double longest, double mark) {
        return new BarChart(title, List.of(title), List.of(Tone.MAIN), bars, longest, mark);
    }

    private Report.Text text(DemoRun run) {
        boolean same = !run.isOf(CacheName.FULL) && run.text().equals(full.text());
        String remark = same
                ? "word for word as full"
                : String.format(
                        Locale.ROOT,
                        "%.0f %% of full's likeliest tokens",
                        100 * run.topOneAgreement(full, story.continuationTokens()));
        return new Report.Text(
                run.name(),
                run.isOf(CacheName.FULL) ? "what the others are compared with" : remark,
                run.text().strip(),
                run.isOf(CHOSEN));
    }

    private Map<String, String> facts() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put(
                "model",
                model.name() + ": " + model.config().layers() + " layers, "
                        + model.config().queryHeads()
                        + " query heads, " + model.config().kvHeads() + " KV heads of "
                        + model.config().headSize()
                        + " elements, context " + model.config().context() + " tokens");
        KvCacheConfig config = chosen.config();
        facts.put(
                "block",
                config.geometry().blockTokens() + " tokens, "
                        + config.geometry().elementType() + ", "
                        + config.geometry().blockBytes() + " bytes");
        runs.forEach((cache, run) -> facts.put(
                cache.toString(),
                "retention " + run.config().retention() + ", "
                        + placement(run.config().placement())));
        return facts;
    }

    private static String placement(PlacementPolicy placement) {
        return switch (placement) {
            case PlacementPolicy.Resident resident -> "V in device memory";
            case PlacementPolicy.Offloaded offloaded ->
                "V in host memory but for " + offloaded.sinkBlocks() + " sink blocks and " + offloaded.recentTokens()
                        + " recent tokens, selection " + offloaded.selection() + ", compensation "
                        + offloaded.compensation().toString().toLowerCase(Locale.ROOT) + ", "
                        + offloaded.tileCacheTiles()
                        + " tiles cached";
        };
    }

    private static String percent(double share) {
        return String.format(Locale.ROOT, "%.0f %%", 100 * share);
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.2f", value);
    }
}
