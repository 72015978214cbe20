package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.BiFunction;

/**
 * Stands in for an engine: random q, k and v that depend on (seed, layer, position) alone, so that any sequence, fork
 * or re-run of a position sees the same rows.
 */
public final class EngineDouble implements AutoCloseable {
    private final CacheGeometry geometry;
    private final long seed;
    private final double queryScale;
    private final ReferenceCache reference;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment q;
    private final MemorySegment k;
    private final MemorySegment v;
    private final MemorySegment out;

    public EngineDouble(CacheGeometry geometry, long seed, int maxRows) {
        this(geometry, seed, maxRows, 2);
    }

    /** Attention is the more peaked the larger {@code queryScale} is; 0 makes it uniform. */
    public EngineDouble(CacheGeometry geometry, long seed, int maxRows, double queryScale) {
        this.geometry = geometry;
        this.seed = seed;
        this.queryScale = queryScale;
        this.reference = new ReferenceCache(geometry);
        q = arena.allocate(4L * maxRows * geometry.queryRowElements(), 64);
        k = arena.allocate(4L * maxRows * geometry.keyValueRowElements(), 64);
        v = arena.allocate(4L * maxRows * geometry.keyValueRowElements(), 64);
        out = arena.allocate(4L * maxRows * geometry.queryRowElements(), 64);
    }

    public ReferenceCache reference() {
        return reference;
    }

    public float[] query(int layer, int position) {
        return row(layer, position, 0, geometry.queryRowElements(), queryScale);
    }

    public float[] key(int layer, int position) {
        return row(layer, position, 1, geometry.keyValueRowElements(), 1);
    }

    public float[] value(int layer, int position) {
        return row(layer, position, 2, geometry.keyValueRowElements(), 1);
    }

    private float[] row(int layer, int position, int role, int elements, double scale) {
        SplittableRandom random = new SplittableRandom(seed * 31 + layer * 1_000_003L + position * 7919L + role);
        float[] row = new float[elements];
        for (int i = 0; i < elements; i++) {
            row[i] = (float) (random.nextGaussian() * scale);
        }
        return row;
    }

    private void fill(int layer, int row, int position) {
        put(q, row, query(layer, position));
        float[] key = key(layer, position);
        float[] value = value(layer, position);
        put(k, row, key);
        put(v, row, value);
        reference.put(layer, position, key, value);
    }

    private static void put(MemorySegment target, int row, float[] elements) {
        MemorySegment.copy(elements, 0, target, ValueLayout.JAVA_FLOAT, 4L * row * elements.length, elements.length);
    }

    private float[] output(int row) {
        int elements = geometry.queryRowElements();
        float[] result = new float[elements];
        MemorySegment.copy(out, ValueLayout.JAVA_FLOAT, 4L * row * elements, result, 0, elements);
        return result;
    }

    /** Runs a prompt; rows of a first prompt are compared with causal attention over the rows alive. */
    public void prompt(KvSequence sequence, int tokens) {
        sequence.beginPrompt(tokens);
        begunPrompt(sequence, tokens);
    }

    /** {@link #prompt(KvSequence, int)} for a prompt that was begun already. */
    public void begunPrompt(KvSequence sequence, int tokens) {
        boolean first = sequence.length() == 0;
        begunPrompt(sequence, tokens, (layer, alive, row) -> {
            boolean compared = first && row % Math.max(1, alive.length / 7) == 0;
            return compared ? reference.attend(layer, query(layer, alive[row]), Arrays.copyOf(alive, row + 1)) : null;
        });
    }

    /** What a row of a prompt must give. */
    public interface PromptOracle {
        /**
         * Output of one row.
         *
         * @param alive positions of the rows alive in this layer
         * @param row index into {@code alive}
         * @return {@code [queryHeads][headSize]}, or null if this row is not compared
         */
        double[] expected(int layer, int[] alive, int row);
    }

    /** Runs a prompt and compares its rows. */
    public void prompt(KvSequence sequence, int tokens, PromptOracle oracle) {
        sequence.beginPrompt(tokens);
        begunPrompt(sequence, tokens, oracle);
    }

    private void begunPrompt(KvSequence sequence, int tokens, PromptOracle oracle) {
        int before = sequence.length();
        int[] alive = new int[tokens];
        for (int i = 0; i < tokens; i++) {
            alive[i] = before + i;
        }
        for (int layer = 0; layer < geometry.layers(); layer++) {
            for (int row = 0; row < alive.length; row++) {
                fill(layer, row, alive[row]);
            }
            RowSelection survivors = sequence.attendPrompt(layer, alive.length, q, k, v, out);
            for (int row = 0; row < alive.length; row++) {
                double[] expected = oracle.expected(layer, alive, row);
                if (expected != null) {
                    assertClose(expected, output(row), "prompt layer " + layer + " row " + row);
                }
            }
            assertEquals(alive[alive.length - 1], survivors.select(alive)[survivors.count() - 1], "last row survives");
            alive = survivors.select(alive);
        }
        sequence.commit();
        assertEquals(before + tokens, sequence.length());
    }

    /** Runs one token and compares every layer's output with attention over what the layer says it retains. */
    public void token(KvSequence sequence) {
        token(sequence, (layer, positions) -> reference.attend(layer, query(layer, sequence.length()), positions));
    }

    /**
     * Runs one token; {@code expected} maps a layer and its positions, the new one included, to an output, or to null
     * if that is not compared.
     */
    public void token(KvSequence sequence, BiFunction<Integer, int[], double[]> expected) {
        sequence.beginToken();
        begunToken(sequence, expected);
    }

    /** {@link #token(KvSequence)} for a token that was begun already. */
    public void begunToken(KvSequence sequence) {
        int position = sequence.length();
        begunToken(sequence, (layer, positions) -> reference.attend(layer, query(layer, position), positions));
    }

    private void begunToken(KvSequence sequence, BiFunction<Integer, int[], double[]> expected) {
        int position = sequence.length();
        for (int layer = 0; layer < geometry.layers(); layer++) {
            int[] held = sequence.positions(layer);
            boolean listed = held.length > 0 && held[held.length - 1] == position;
            int[] positions = listed ? held : Arrays.copyOf(held, held.length + 1);
            positions[positions.length - 1] = position;
            fill(layer, 0, position);
            sequence.attend(layer, q, k, v, out);
            double[] output = expected.apply(layer, positions);
            if (output != null) {
                assertClose(output, output(0), "layer " + layer + " position " + position);
            }
        }
        sequence.commit();
    }

    private static void assertClose(double[] expected, float[] actual, String what) {
        double norm = 0;
        double error = 0;
        for (int i = 0; i < expected.length; i++) {
            norm += expected[i] * expected[i];
            error += (expected[i] - actual[i]) * (expected[i] - actual[i]);
        }
        double relative = Math.sqrt(error / Math.max(norm, 1e-12));
        assertTrue(relative < 2e-5, () -> what + ": relative error " + relative);
    }

    @Override
    public void close() {
        arena.close();
    }
}
