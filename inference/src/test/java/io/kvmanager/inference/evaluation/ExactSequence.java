package io.kvmanager.inference.evaluation;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.FetchReport;
import io.kvmanager.HeadFetch;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Passes everything on to a sequence that keeps all tokens, and compares each token's attention with the exact one, in
 * double precision over K and V as stored.
 */
final class ExactSequence implements KvSequence {
    private final KvSequence sequence;
    private final CacheGeometry geometry;
    private final float[][] keys;
    private final float[][] values;
    private final int[] held;
    final List<Double> errors = new ArrayList<>();
    final List<Double> slacks = new ArrayList<>();
    private double longest;

    ExactSequence(KvSequence sequence, CacheGeometry geometry, int tokens) {
        this.sequence = sequence;
        this.geometry = geometry;
        keys = new float[geometry.layers()][tokens * geometry.keyValueRowElements()];
        values = new float[geometry.layers()][tokens * geometry.keyValueRowElements()];
        held = new int[geometry.layers()];
    }

    @Override
    public RowSelection attendPrompt(
            int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        keep(layer, rows, k, v);
        return sequence.attendPrompt(layer, rows, q, k, v, out);
    }

    private void keep(int layer, int rows, MemorySegment k, MemorySegment v) {
        int row = geometry.keyValueRowElements();
        for (int i = 0; i < rows * row; i++) {
            int at = held[layer] * row + i;
            keys[layer][at] = stored(k.getAtIndex(JAVA_FLOAT, i));
            values[layer][at] = stored(v.getAtIndex(JAVA_FLOAT, i));
            longest = Math.max(longest, Math.abs(values[layer][at]) * Math.sqrt(geometry.headSize()));
        }
        held[layer] += rows;
    }

    private float stored(float element) {
        return geometry.elementType().decode(geometry.elementType().encode(element));
    }

    @Override
    public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        keep(layer, 1, k, v);
        long attentions = sequence.fetchReport(layer).attentions();
        List<HeadFetch> before = sequence.headFetches(layer);
        sequence.attend(layer, q, k, v, out);
        List<HeadFetch> after = sequence.headFetches(layer);
        for (int head = 0; head < geometry.queryHeads(); head++) {
            double relative =
                    after.get(head).boundMean() * (attentions + 1) - before.get(head).boundMean() * attentions;
            compare(layer, head, q, out, relative);
        }
    }

    private void compare(int layer, int head, MemorySegment q, MemorySegment out, double relativeBound) {
        double[] exact = exact(layer, head, q);
        double error = 0;
        double norm = 0;
        double outNorm = 0;
        for (int e = 0; e < exact.length; e++) {
            double element = out.getAtIndex(JAVA_FLOAT, (long) head * exact.length + e);
            error += (element - exact[e]) * (element - exact[e]);
            norm += exact[e] * exact[e];
            outNorm += element * element;
        }
        error = Math.sqrt(error);
        double bound = relativeBound * Math.sqrt(outNorm);
        double rounding = 1e-5 * longest;
        assertTrue(error <= bound * (1 + 1e-9) + rounding, "layer " + layer + " head " + head + ": " + error);
        errors.add(error / Math.sqrt(norm));
        if (error > rounding) {
            slacks.add(bound / error);
        }
    }

    private double[] exact(int layer, int head, MemorySegment q) {
        int headSize = geometry.headSize();
        int row = geometry.keyValueRowElements();
        int from = head / geometry.groupSize() * headSize;
        double[] weights = new double[held[layer]];
        double largest = Double.NEGATIVE_INFINITY;
        for (int token = 0; token < weights.length; token++) {
            double dot = 0;
            for (int e = 0; e < headSize; e++) {
                dot += (double) q.getAtIndex(JAVA_FLOAT, (long) head * headSize + e)
                        * keys[layer][token * row + from + e];
            }
            weights[token] = dot / Math.sqrt(headSize);
            largest = Math.max(largest, weights[token]);
        }
        double[] sums = new double[headSize];
        double total = 0;
        for (int token = 0; token < weights.length; token++) {
            double weight = Math.exp(weights[token] - largest);
            total += weight;
            for (int e = 0; e < headSize; e++) {
                sums[e] += weight * values[layer][token * row + from + e];
            }
        }
        for (int e = 0; e < headSize; e++) {
            sums[e] /= total;
        }
        return sums;
    }

    @Override
    public int length() {
        return sequence.length();
    }

    @Override
    public int retained(int layer) {
        return sequence.retained(layer);
    }

    @Override
    public int[] positions(int layer) {
        return sequence.positions(layer);
    }

    @Override
    public void beginPrompt(int tokens) {
        sequence.beginPrompt(tokens);
    }

    @Override
    public void beginToken() {
        sequence.beginToken();
    }

    @Override
    public void commit() {
        sequence.commit();
    }

    @Override
    public KvSequence fork() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void truncate(int length) {
        throw new UnsupportedOperationException();
    }

    @Override
    public FetchReport fetchReport() {
        return sequence.fetchReport();
    }

    @Override
    public void close() {
        sequence.close();
    }
}
