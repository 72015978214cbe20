package io.kvmanager.inference.evaluation;

import io.kvmanager.CacheGeometry;
import io.kvmanager.FetchReport;
import io.kvmanager.HeadFetch;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Checks every attention output behind the prompt against {@link ExactAttention} of the same query over the K and V
 * that the layer was given in this run. Prompts are not checked: their attention reads everything.
 */
final class AttentionAudit extends WatchedSequence {
    private final CacheGeometry geometry;
    private final AuditTally tally;
    private final ExactAttention[] layers;
    private final double[] ofAll;
    private final double[] ofHeld;
    private final double[] bounds;
    private final double[][] boundSums;
    private int[] alive = {};
    private FetchReport before;
    private int step = -1;

    /**
     * Watches {@code sequence}, which is empty.
     *
     * @param tokens tokens that it will hold, at most
     * @param tally where the findings go
     */
    AttentionAudit(KvSequence sequence, CacheGeometry geometry, int tokens, AuditTally tally) {
        super(sequence);
        this.geometry = geometry;
        this.tally = tally;
        layers = new ExactAttention[geometry.layers()];
        Arrays.setAll(layers, layer -> new ExactAttention(geometry, tokens));
        ofAll = new double[geometry.headSize()];
        ofHeld = new double[geometry.headSize()];
        bounds = new double[geometry.queryHeads()];
        boundSums = new double[geometry.layers()][geometry.queryHeads()];
        before = sequence.fetchReport();
    }

    @Override
    public void beginPrompt(int tokens) {
        super.beginPrompt(tokens);
        alive = IntStream.range(0, tokens).toArray();
    }

    @Override
    public RowSelection attendPrompt(
            int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        RowSelection selection = super.attendPrompt(layer, rows, q, k, v, out);
        for (int row = 0; row < rows; row++) {
            layers[layer].append(alive[row], row, k, v);
        }
        alive = Arrays.stream(selection.rows()).map(row -> alive[row]).toArray();
        return selection;
    }

    @Override
    public void beginToken() {
        for (int layer = 0; layer < layers.length; layer++) {
            layers[layer].hold(positions(layer));
        }
        step++;
        super.beginToken();
    }

    @Override
    public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        super.attend(layer, q, k, v, out);
        ExactAttention exact = layers[layer];
        exact.append(length(), 0, k, v);
        boolean bounded = readBounds(layer);
        for (int head = 0; head < geometry.queryHeads(); head++) {
            exact.attend(q, head, ofAll, ofHeld);
            long at = (long) head * geometry.headSize();
            double errorOfHeld = error(out, at, ofHeld);
            tally.head(layer, error(out, at, ofAll), errorOfHeld, exact.droppedMass());
            if (bounded) {
                double bound = bounds[head] * normRatio(out, at, ofHeld);
                tally.bound(layer, bound, errorOfHeld, exact.cancellation());
            }
        }
        FetchReport now = fetchReport();
        tally.fetched(layer, step, before, now);
        before = now;
    }

    /** Fills in each head's bound over its output's norm, from the sums before and behind; whether there is one. */
    private boolean readBounds(int layer) {
        List<HeadFetch> heads = headFetches(layer);
        long attentions = fetchReport(layer).attentions();
        boolean known = !heads.isEmpty();
        for (int head = 0; head < heads.size(); head++) {
            double sum = heads.get(head).boundMean() * attentions;
            bounds[head] = sum - boundSums[layer][head];
            boundSums[layer][head] = sum;
            known &= !Double.isNaN(sum);
        }
        return known;
    }

    /** Norm of an output over that of the exact one. */
    private static double normRatio(MemorySegment out, long at, double[] exact) {
        double norm = 0;
        double norms = 0;
        for (int e = 0; e < exact.length; e++) {
            double value = out.getAtIndex(ValueLayout.JAVA_FLOAT, at + e);
            norm += value * value;
            norms += exact[e] * exact[e];
        }
        return Math.sqrt(norm) / Math.max(Math.sqrt(norms), Double.MIN_NORMAL);
    }

    /** Distance of an output from what it should be, over the norm of the latter. */
    private static double error(MemorySegment out, long at, double[] exact) {
        double distance = 0;
        double norm = 0;
        for (int e = 0; e < exact.length; e++) {
            double difference = out.getAtIndex(ValueLayout.JAVA_FLOAT, at + e) - exact[e];
            distance += difference * difference;
            norm += exact[e] * exact[e];
        }
        return Math.sqrt(distance) / Math.max(Math.sqrt(norm), Double.MIN_NORMAL);
    }
}
