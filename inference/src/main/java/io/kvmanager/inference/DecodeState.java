package io.kvmanager.inference;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.kvmanager.inference.math.MatrixProduct;
import io.kvmanager.inference.model.ModelConfig;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Every buffer of a forward pass, taken once: activations on the heap, and the four native ones that a
 * {@link io.kvmanager.KvSequence} reads and writes. One thread at a time.
 */
public final class DecodeState implements AutoCloseable {
    private static final long ALIGNMENT_BYTES = 64;

    final int maxRows;
    /** Hidden states of the rows alive, {@code [rows][hidden]}. */
    final float[] hidden;
    /** A normalised copy of them, {@code [rows][hidden]}. */
    final float[] normed;
    /** {@code [rows][queryHeads][headSize]}. */
    final float[] query;
    /** {@code [rows][kvHeads][headSize]}. */
    final float[] key;
    /** {@code [rows][kvHeads][headSize]}. */
    final float[] value;
    /** {@code [rows][queryHeads][headSize]}. */
    final float[] attention;
    /** What attention or the MLP adds to the hidden states, {@code [rows][hidden]}. */
    final float[] delta;
    /** {@code [rows][intermediate]}. */
    final float[] gate;
    /** {@code [rows][intermediate]}. */
    final float[] up;
    /** {@code [vocabulary]}. */
    final float[] logits;
    /** Angles of the step's rows, {@code [rows][headSize / 2]}. */
    final float[] cos;

    final float[] sin;
    /** Row of the step that each row alive was, {@code [rows]}, ascending. */
    final int[] alive;

    final MatrixProduct product = new MatrixProduct();

    final MemorySegment nativeQuery;
    final MemorySegment nativeKey;
    final MemorySegment nativeValue;
    final MemorySegment nativeAttention;
    private final Arena arena = Arena.ofShared();

    /**
     * Takes buffers for prompts of up to {@code maxRows} tokens.
     *
     * @throws IllegalArgumentException if {@code maxRows} is below 1 or a buffer would exceed 2^31 elements
     */
    public DecodeState(ModelConfig config, int maxRows) {
        int widest = Math.max(Math.max(config.hidden(), config.intermediate()), config.queryElements());
        if (maxRows < 1 || (long) maxRows * widest > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException(
                    "maxRows " + maxRows + " is not accepted; accepted: 1 to " + (Integer.MAX_VALUE - 8) / widest);
        }
        this.maxRows = maxRows;
        hidden = new float[maxRows * config.hidden()];
        normed = new float[maxRows * config.hidden()];
        query = new float[maxRows * config.queryElements()];
        key = new float[maxRows * config.keyElements()];
        value = new float[maxRows * config.keyElements()];
        attention = new float[maxRows * config.queryElements()];
        delta = new float[maxRows * config.hidden()];
        gate = new float[maxRows * config.intermediate()];
        up = new float[maxRows * config.intermediate()];
        logits = new float[config.vocabulary()];
        cos = new float[maxRows * config.headSize() / 2];
        sin = new float[maxRows * config.headSize() / 2];
        alive = new int[maxRows];
        nativeQuery = allocate(query.length);
        nativeKey = allocate(key.length);
        nativeValue = allocate(value.length);
        nativeAttention = allocate(attention.length);
    }

    private MemorySegment allocate(int elements) {
        return arena.allocate((long) elements * Float.BYTES, ALIGNMENT_BYTES);
    }

    /** Copies q, k and v of {@code rows} rows to where the sequence reads them. */
    void giveToSequence(int rows) {
        copyOut(query, nativeQuery, rows);
        copyOut(key, nativeKey, rows);
        copyOut(value, nativeValue, rows);
    }

    private void copyOut(float[] from, MemorySegment to, int rows) {
        MemorySegment.copy(from, 0, to, JAVA_FLOAT, 0, from.length / maxRows * rows);
    }

    /** Copies the sequence's attention output of {@code rows} rows here. */
    void takeFromSequence(int rows) {
        MemorySegment.copy(nativeAttention, JAVA_FLOAT, 0, attention, 0, attention.length / maxRows * rows);
    }

    /** Forgets every row but {@code rows}, ascending indices of the rows alive. */
    void keepRows(int[] rows) {
        compact(hidden, hidden.length / maxRows, rows);
        compact(attention, attention.length / maxRows, rows);
        for (int i = 0; i < rows.length; i++) {
            alive[i] = alive[rows[i]];
        }
    }

    private static void compact(float[] x, int elements, int[] rows) {
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(x, rows[i] * elements, x, i * elements, elements);
        }
    }

    /** The logits of the last step, {@code [vocabulary]}; overwritten by the next. */
    public float[] logits() {
        return logits;
    }

    /** Gives the native buffers back. */
    @Override
    public void close() {
        arena.close();
    }
}
