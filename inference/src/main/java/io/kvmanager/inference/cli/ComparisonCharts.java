package io.kvmanager.inference.cli;

import io.kvmanager.inference.cli.Chart.Tone;
import io.kvmanager.inference.cli.FrontChart.Curve;
import io.kvmanager.inference.cli.FrontChart.Point;
import io.kvmanager.inference.cli.PointChart.Scale;
import io.kvmanager.inference.cli.PointChart.Series;
import io.kvmanager.inference.evaluation.AttentionLoss;
import io.kvmanager.inference.evaluation.EntryResult;
import io.kvmanager.inference.evaluation.RecallAnswer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/** The charts of a comparison's report. */
final class ComparisonCharts {
    /** Steps over which bytes fetched are averaged. */
    private static final int STEP_MEAN = 8;

    /** Losses below are rounding, which a logarithmic axis would spread over most of a chart. */
    private static final double ROUNDING = 1e-6;

    private static final String RECALL = "Recall of what full answers, higher is better";

    private final List<EntryResult> results;
    private final Map<String, Tone> tones = new LinkedHashMap<>();

    ComparisonCharts(List<EntryResult> results) {
        this.results = List.copyOf(results);
        int others = 0;
        for (EntryResult result : results) {
            String series = result.entry().series();
            if (!tones.containsKey(series)) {
                boolean chosen = result.entry().cache().toString().equals(ComparisonTable.CHOSEN)
                        && !tones.containsValue(Tone.MAIN);
                tones.put(series, chosen ? Tone.MAIN : Tone.apart(others++));
            }
        }
    }

    /** Adds the sections that have something to show. */
    void add(Report report) {
        report.section(
                "Quality over device memory",
                "Device bytes at peak, prefill included, as a share of what full holds. Ringed and joined by the"
                        + " dashed line: what no other cache beats with as little memory.");
        report.charts(fronts());
        if (!results.getFirst().answers().isEmpty()) {
            recall(report);
        }
        report.section(
                "What each layer keeps",
                "Tokens per layer at the end of a window, the first layer at the bottom; grey is what full keeps.");
        report.charts(pyramids());
        List<EntryResult> selecting =
                results.stream().filter(ComparisonTable::selects).toList();
        if (!selecting.isEmpty()) {
            fetching(report, selecting);
        }
    }

    private Map<String, Chart> fronts() {
        Map<String, Chart> charts = new LinkedHashMap<>();
        addFront(
                charts,
                "Perplexity over that of full, lower is better",
                "perplexity ratio",
                EntryResult::perplexityRatio,
                Scale.LINEAR);
        addFront(
                charts,
                "Divergence from full, lower is better",
                "KL, mean, nats",
                EntryResult::klMean,
                Scale.LOGARITHMIC);
        addFront(
                charts,
                "Error of attention outputs, lower is better",
                "relative error, mean",
                result -> result.attention().errorMean(),
                Scale.LOGARITHMIC);
        addFront(charts, RECALL, "share", EntryResult::recallOfFull, Scale.LINEAR);
        return charts;
    }

    private void addFront(
            Map<String, Chart> charts,
            String heading,
            String yName,
            ToDoubleFunction<EntryResult> quality,
            Scale scale) {
        Map<String, List<Point>> points = new LinkedHashMap<>();
        for (EntryResult result : results) {
            double value = quality.applyAsDouble(result);
            if (scale == Scale.LINEAR ? !Double.isNaN(value) : value > ROUNDING) {
                points.computeIfAbsent(result.entry().series(), key -> new ArrayList<>())
                        .add(new Point(result.entry().label(), 100 * result.deviceShare(), value));
            }
        }
        List<Curve> curves = new ArrayList<>();
        points.forEach((series, own) -> curves.add(new Curve(series, own, tone(series))));
        if (!curves.isEmpty()) {
            boolean moreIsBetter = heading.equals(RECALL);
            charts.put(
                    heading, new FrontChart(heading, "device memory, % of full", yName, curves, moreIsBetter, scale));
        }
    }

    private Tone tone(String series) {
        return tones.getOrDefault(series, Tone.REST);
    }

    private void recall(Report report) {
        report.section(
                "Recall by distance and depth",
                "Of every hundred questions that full answers, how many the cache answers. Distance: tokens from the "
                        + "fact to the end of the question. Depth: where in the prompt the fact stands.");
        Map<String, Chart> charts = new LinkedHashMap<>();
        charts.put("By distance, tokens", grid(RecallAnswer::byDistance));
        charts.put("By depth", grid(RecallAnswer::byDepth));
        report.charts(charts);
    }

    private GridChart grid(Function<List<RecallAnswer>, List<RecallAnswer.Group>> grouping) {
        List<String> columns = grouping.apply(results.getFirst().answers()).stream()
                .map(RecallAnswer.Group::name)
                .toList();
        List<GridChart.Row> rows = new ArrayList<>();
        for (EntryResult result : results) {
            List<Double> shares = grouping.apply(result.answers()).stream()
                    .map(RecallAnswer.Group::recallOfFull)
                    .toList();
            rows.add(new GridChart.Row(result.entry().label(), shares, isChosen(result)));
        }
        return new GridChart("Recall of what full answers, per cent", "cache", columns, rows);
    }

    private static boolean isChosen(EntryResult result) {
        return result.entry().cache().toString().equals(ComparisonTable.CHOSEN);
    }

    private Map<String, Chart> pyramids() {
        Map<String, Chart> charts = new LinkedHashMap<>();
        for (EntryResult result : results) {
            if (result.retainedShare() < .999) {
                charts.put(
                        result.entry().label() + ", " + ComparisonTable.percent(result.retainedShare()),
                        new LayerChart(
                                result.entry().label(),
                                result.retainedTokensPerLayer(),
                                result.windowTokens(),
                                isChosen(result) ? Tone.MAIN : Tone.REST));
            }
        }
        return charts;
    }

    private void fetching(Report report, List<EntryResult> selecting) {
        report.section(
                "Values left in host memory",
                "Missed mass: softmax weight on values that were held and not read, mean over query heads and steps.");
        Map<String, Chart> charts = new LinkedHashMap<>();
        charts.put(
                "Missed mass per layer",
                lines(
                        "layer",
                        "missed mass",
                        selecting,
                        result -> result.attention().missedMassPerLayer(),
                        1));
        List<EntryResult> bounded = selecting.stream()
                .filter(result -> result.attention().bounds().isPresent())
                .toList();
        if (!bounded.isEmpty()) {
            charts.put(
                    "Error bound per layer",
                    lines("layer", "bound over norm", bounded, ComparisonCharts::boundPerLayer, 1));
        }
        charts.put(
                "Bytes fetched per step, means of " + STEP_MEAN,
                lines("step", "bytes", selecting, result -> result.attention().bytesFetchedPerStep(), STEP_MEAN));
        report.charts(charts);
    }

    private static List<Double> boundPerLayer(EntryResult result) {
        return result.attention()
                .bounds()
                .map(AttentionLoss.Bounds::meanPerLayer)
                .orElse(List.of());
    }

    private PointChart lines(
            String xName, String yName, List<EntryResult> shown, Function<EntryResult, List<Double>> values, int mean) {
        List<Series> series = new ArrayList<>();
        for (EntryResult result : shown) {
            List<Double> all = values.apply(result);
            List<Double> xs = new ArrayList<>();
            List<Double> ys = new ArrayList<>();
            for (int from = 0; from < all.size(); from += mean) {
                int to = Math.min(all.size(), from + mean);
                xs.add((from + to - 1) / 2.0);
                ys.add(IntStream.range(from, to).mapToDouble(all::get).average().orElse(0));
            }
            series.add(new Series(
                    result.entry().label(), xs, ys, tone(result.entry().series())));
        }
        return new PointChart(yName + " per " + xName, xName, yName, series, true, Scale.LINEAR);
    }
}
