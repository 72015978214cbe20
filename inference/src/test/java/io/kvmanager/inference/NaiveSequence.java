package io.kvmanager.inference;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.kvmanager.FetchReport;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import io.kvmanager.inference.model.ModelConfig;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The plainest sequence that is right: contiguous F32 keys and values, softmax in double precision, one thread. Says
 * which rows a layer drops if it is told.
 */
public final class NaiveSequence implements KvSequence {
    /** Which rows of a prompt go on behind a layer. */
    @FunctionalInterface
    public interface Dropping {
        /** Kept ones of {@code rows} rows, ascending. */
        int[] keep(int layer, int rows);
    }

    /** Which tokens a layer's queries see. */
    @FunctionalInterface
    public interface Mask {
        /** Whether {@code layer} sees the token in slot {@code slot}. */
        boolean visible(int layer, int slot);
    }

    private final ModelConfig config;
    private final Dropping dropping;
    private final Mask mask;
    private final float[][] keys;
    private final float[][] values;
    private final int[] held;
    private final double[] scores;
    private final double[] sums;
    private int length;
    private int step;

    /** Keeps everything. */
    public NaiveSequence(ModelConfig config) {
        this(config, (layer, rows) -> IntStream.range(0, rows).toArray(), (layer, slot) -> true);
    }

    /** Keeps everything and hides some of it. */
    public static NaiveSequence masked(ModelConfig config, Mask mask) {
        return new NaiveSequence(
                config, (layer, rows) -> IntStream.range(0, rows).toArray(), mask);
    }

    /** Drops rows behind layers. */
    public static NaiveSequence dropping(ModelConfig config, Dropping dropping) {
        return new NaiveSequence(config, dropping, (layer, slot) -> true);
    }

    private NaiveSequence(ModelConfig config, Dropping dropping, Mask mask) {
        this.config = config;
        this.dropping = dropping;
        this.mask = mask;
        keys = new float[config.layers()][config.context() * config.keyElements()];
        values = new float[config.layers()][config.context() * config.keyElements()];
        held = new int[config.layers()];
        scores = new double[config.context()];
        sums = new double[config.headSize()];
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public int retained(int layer) {
        return held[layer];
    }

    @Override
    public int[] positions(int layer) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void beginPrompt(int tokens) {
        step = tokens;
    }

    @Override
    public void beginToken() {
        step = 1;
    }

    @Override
    public RowSelection attendPrompt(
            int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        for (int row = 0; row < rows; row++) {
            attendRow(layer, row, q, k, v, out);
        }
        return new RowSelection(dropping.keep(layer, rows), rows);
    }

    @Override
    public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        attendRow(layer, 0, q, k, v, out);
    }

    private void attendRow(int layer, int row, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        int elements = config.keyElements();
        int at = held[layer]++ * elements;
        MemorySegment.copy(k, JAVA_FLOAT, 4L * row * elements, keys[layer], at, elements);
        MemorySegment.copy(v, JAVA_FLOAT, 4L * row * elements, values[layer], at, elements);
        int group = config.queryHeads() / config.kvHeads();
        for (int head = 0; head < config.queryHeads(); head++) {
            long queryAt = (long) row * config.queryElements() + (long) head * config.headSize();
            attendHead(layer, head / group * config.headSize(), q, queryAt, out);
        }
    }

    private void attendHead(int layer, int headAt, MemorySegment q, long queryAt, MemorySegment out) {
        int size = config.headSize();
        double scale = 1 / Math.sqrt(size);
        double largest = Double.NEGATIVE_INFINITY;
        for (int token = 0; token < held[layer]; token++) {
            double dot = 0;
            for (int i = 0; i < size; i++) {
                dot += (double) q.getAtIndex(JAVA_FLOAT, queryAt + i)
                        * keys[layer][token * config.keyElements() + headAt + i];
            }
            boolean own = token == held[layer] - 1;
            scores[token] = own || mask.visible(layer, token) ? dot * scale : Double.NEGATIVE_INFINITY;
            largest = Math.max(largest, scores[token]);
        }
        double total = 0;
        Arrays.fill(sums, 0);
        for (int token = 0; token < held[layer]; token++) {
            double weight = Math.exp(scores[token] - largest);
            total += weight;
            for (int i = 0; i < size; i++) {
                sums[i] += weight * values[layer][token * config.keyElements() + headAt + i];
            }
        }
        for (int i = 0; i < size; i++) {
            out.setAtIndex(JAVA_FLOAT, queryAt + i, (float) (sums[i] / total));
        }
    }

    @Override
    public void commit() {
        length += step;
        step = 0;
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
        return FetchReport.NONE;
    }

    @Override
    public void close() {}
}
