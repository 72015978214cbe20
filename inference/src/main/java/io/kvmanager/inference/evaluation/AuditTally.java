package io.kvmanager.inference.evaluation;

import io.kvmanager.FetchReport;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Adds up what {@link AttentionAudit}s find, over steps, heads and windows. */
final class AuditTally {
    private final int queryHeads;
    private final double[] missed;
    private final double[] dropped;
    private final long[] attentions;
    private final ErrorSum ofAll = new ErrorSum();
    private final ErrorSum ofHeld = new ErrorSum();
    private final double[] boundSums;
    private long boundCount;
    private double boundMax;
    private long violations;
    private double[] slacks = {};
    private int slackCount;
    private long[] bytesFetched = {};
    private int[] stepWindows = {};

    /** Sum, count and largest of relative errors. */
    private static final class ErrorSum {
        private double sum;
        private double largest;
        private long count;

        void add(double error) {
            sum += error;
            largest = Math.max(largest, error);
            count++;
        }

        double mean() {
            return count == 0 ? 0 : sum / count;
        }
    }

    AuditTally(int layers, int queryHeads) {
        this.queryHeads = queryHeads;
        missed = new double[layers];
        dropped = new double[layers];
        attentions = new long[layers];
        boundSums = new double[layers];
    }

    /** Adds one query head of one step. */
    void head(int layer, double errorOfAll, double errorOfHeld, double droppedMass) {
        ofAll.add(errorOfAll);
        ofHeld.add(errorOfHeld);
        dropped[layer] += droppedMass / queryHeads;
    }

    /**
     * Adds the bound that a query head was given, and its error against what is held; both over the norm of the exact
     * output.
     *
     * @param cancellation {@link ExactAttention#cancellation}
     */
    void bound(int layer, double bound, double error, double cancellation) {
        boundCount++;
        boundSums[layer] += bound / queryHeads;
        boundMax = Math.max(boundMax, bound);
        double rounding = AttentionLoss.F32_ROUNDING * cancellation;
        if (error > bound + rounding) {
            violations++;
        }
        if (error > rounding) {
            if (slackCount == slacks.length) {
                slacks = Arrays.copyOf(slacks, Math.max(1024, 2 * slackCount));
            }
            slacks[slackCount++] = bound / error;
        }
    }

    /** Adds what one attention fetched: the difference of the reports before and behind it. */
    void fetched(int layer, int step, FetchReport before, FetchReport now) {
        attentions[layer]++;
        missed[layer] += now.missedMassMean() * now.attentions() - before.missedMassMean() * before.attentions();
        if (step >= bytesFetched.length) {
            bytesFetched = Arrays.copyOf(bytesFetched, step + 1);
            stepWindows = Arrays.copyOf(stepWindows, step + 1);
        }
        bytesFetched[step] += now.bytesFetched() - before.bytesFetched();
        stepWindows[step] += layer == 0 ? 1 : 0;
    }

    /** The findings. */
    AttentionLoss loss() {
        List<Double> bytes = new ArrayList<>();
        for (int step = 0; step < bytesFetched.length; step++) {
            bytes.add((double) bytesFetched[step] / stepWindows[step]);
        }
        return new AttentionLoss(
                ofAll.count,
                ofAll.mean(),
                ofAll.largest,
                ofHeld.mean(),
                ofHeld.largest,
                perLayer(dropped),
                perLayer(missed),
                bytes,
                boundCount == 0 ? Optional.empty() : Optional.of(bounds()));
    }

    private AttentionLoss.Bounds bounds() {
        double[] sorted = Arrays.copyOf(slacks, slackCount);
        Arrays.sort(sorted);
        return new AttentionLoss.Bounds(
                boundCount, boundMax, violations, quantile(sorted, .5), quantile(sorted, .99), perLayer(boundSums));
    }

    private static double quantile(double[] sorted, double share) {
        return sorted.length == 0 ? Double.NaN : sorted[(int) (share * (sorted.length - 1))];
    }

    private List<Double> perLayer(double[] sums) {
        List<Double> means = new ArrayList<>();
        for (int layer = 0; layer < sums.length; layer++) {
            means.add(attentions[layer] == 0 ? 0 : Math.max(0, sums[layer] / attentions[layer]));
        }
        return means;
    }
}
