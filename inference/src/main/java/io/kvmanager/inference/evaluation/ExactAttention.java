package io.kvmanager.inference.evaluation;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * One layer's attention in double precision, over every token that the layer was given and over those that its cache
 * still holds. K and V are rounded as the cache stores them, so that what is measured against this is what a cache
 * forgot, did not read or miscalculated, not what its element type costs.
 *
 * <pre>
 * keys     [kvHead][headSize][token]    tokens innermost: a query's scores of all tokens are sums of rows
 * values   [kvHead][token][headSize]
 * </pre>
 */
final class ExactAttention {
    private final CacheGeometry geometry;
    private final int room;
    private final double[] keys;
    private final double[] values;
    private final int[] positions;
    private final boolean[] held;
    private final double[] weights;
    private final double[] query;
    private final double[] heldSum;
    private final double[] droppedSum;
    private int tokens;
    private double droppedMass;
    private double heldMagnitude;

    /** Room for {@code maxTokens} tokens. */
    ExactAttention(CacheGeometry geometry, int maxTokens) {
        this.geometry = geometry;
        room = maxTokens;
        int size = geometry.headSize();
        keys = new double[geometry.keyValueRowElements() * maxTokens];
        values = new double[geometry.keyValueRowElements() * maxTokens];
        positions = new int[maxTokens];
        held = new boolean[maxTokens];
        weights = new double[maxTokens];
        query = new double[size];
        heldSum = new double[size];
        droppedSum = new double[size];
    }

    /**
     * Takes a token.
     *
     * @param position its position, larger than those before
     * @param row its row of {@code k} and {@code v}
     */
    void append(int position, int row, MemorySegment k, MemorySegment v) {
        int size = geometry.headSize();
        for (int head = 0; head < geometry.kvHeads(); head++) {
            for (int e = 0; e < size; e++) {
                long from = (long) row * geometry.keyValueRowElements() + (long) head * size + e;
                keys[(head * size + e) * room + tokens] = stored(k, from);
                values[(head * room + tokens) * size + e] = stored(v, from);
            }
        }
        positions[tokens] = position;
        held[tokens] = true;
        tokens++;
    }

    private double stored(MemorySegment from, long element) {
        float value = from.getAtIndex(ValueLayout.JAVA_FLOAT, element);
        ElementType type = geometry.elementType();
        return type == ElementType.F32 ? value : type.decode(type.encode(value));
    }

    /** Says which tokens the cache holds; every token taken later is held. */
    void hold(int[] heldPositions) {
        Arrays.fill(held, 0, tokens, false);
        int token = 0;
        for (int position : heldPositions) {
            while (positions[token] != position) {
                token++;
            }
            held[token] = true;
        }
    }

    /**
     * Attention of one query head.
     *
     * @param q {@code [queryHeads][headSize]}, F32
     * @param ofAll attention over all tokens, {@code [headSize]}, written
     * @param ofHeld attention over the tokens held, {@code [headSize]}, written
     */
    void attend(MemorySegment q, int head, double[] ofAll, double[] ofHeld) {
        int size = geometry.headSize();
        int kvHead = head / geometry.groupSize();
        for (int e = 0; e < size; e++) {
            query[e] = q.getAtIndex(ValueLayout.JAVA_FLOAT, (long) head * size + e) / Math.sqrt(size);
        }
        softmaxNumerators(kvHead);
        Arrays.fill(heldSum, 0);
        Arrays.fill(droppedSum, 0);
        double heldWeight = 0;
        double droppedWeight = 0;
        double magnitude = 0;
        for (int token = 0; token < tokens; token++) {
            if (held[token]) {
                heldWeight += weights[token];
                addValue(heldSum, weights[token], (kvHead * room + token) * size);
                magnitude += weights[token] * norm(values, (kvHead * room + token) * size, size);
            } else {
                droppedWeight += weights[token];
                addValue(droppedSum, weights[token], (kvHead * room + token) * size);
            }
        }
        for (int e = 0; e < size; e++) {
            ofAll[e] = (heldSum[e] + droppedSum[e]) / (heldWeight + droppedWeight);
            ofHeld[e] = heldSum[e] / heldWeight;
        }
        droppedMass = droppedWeight / (heldWeight + droppedWeight);
        heldMagnitude = magnitude / (heldWeight * Math.max(norm(ofHeld, 0, size), Double.MIN_NORMAL));
    }

    private static double norm(double[] from, int at, int count) {
        double sum = 0;
        for (int e = at; e < at + count; e++) {
            sum += from[e] * from[e];
        }
        return Math.sqrt(sum);
    }

    /** Share of the last {@link #attend}'s softmax weight that tokens no longer held have, 0..1. */
    double droppedMass() {
        return droppedMass;
    }

    /**
     * Weighted mean norm of the values held over the norm of the last {@link #attend}'s output for them, 1 or more: how
     * much of what was summed has cancelled, and so by how much rounding grows against the output.
     */
    double cancellation() {
        return heldMagnitude;
    }

    private void softmaxNumerators(int kvHead) {
        Arrays.fill(weights, 0, tokens, 0);
        for (int e = 0; e < query.length; e++) {
            int row = (kvHead * query.length + e) * room;
            double factor = query[e];
            for (int token = 0; token < tokens; token++) {
                weights[token] += factor * keys[row + token];
            }
        }
        double largest = Double.NEGATIVE_INFINITY;
        for (int token = 0; token < tokens; token++) {
            largest = Math.max(largest, weights[token]);
        }
        for (int token = 0; token < tokens; token++) {
            weights[token] = Math.exp(weights[token] - largest);
        }
    }

    private void addValue(double[] sum, double weight, int at) {
        for (int e = 0; e < sum.length; e++) {
            sum[e] += weight * values[at + e];
        }
    }
}
