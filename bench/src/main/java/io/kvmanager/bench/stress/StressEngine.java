package io.kvmanager.bench.stress;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import io.kvmanager.bench.stress.RowContents.Role;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Runs steps as an engine does, one layer at a time, and compares every output with attention in double precision over
 * the tokens that the layer holds.
 */
final class StressEngine implements AutoCloseable {
    /** F32 arithmetic over values of -1 to 1. */
    private static final double TOLERANCE = 2e-5;
    /** Means of V are stored in 16 bits. */
    private static final double MEAN_TOLERANCE = 1.0 / 128;

    private final StressSetting setting;
    private final CacheGeometry geometry;
    private final RowContents contents;
    private final StressTally tally;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment q;
    private final MemorySegment k;
    private final MemorySegment v;
    private final MemorySegment out;
    private final float[] keys;
    private final float[] values;
    private final float[] row;
    private final double[] weights;

    StressEngine(StressSetting setting, StressTally tally) {
        this.setting = setting;
        this.geometry = setting.config().geometry();
        this.tally = tally;
        contents = new RowContents(geometry);
        int rows = setting.config().maxSequenceTokens();
        q = arena.allocate(4L * rows * geometry.queryRowElements(), 64);
        k = arena.allocate(4L * rows * geometry.keyValueRowElements(), 64);
        v = arena.allocate(4L * rows * geometry.keyValueRowElements(), 64);
        out = arena.allocate(4L * rows * geometry.queryRowElements(), 64);
        keys = new float[2 * rows * geometry.keyValueRowElements()];
        values = new float[2 * rows * geometry.keyValueRowElements()];
        row = new float[Math.max(geometry.queryRowElements(), geometry.keyValueRowElements())];
        weights = new double[2 * rows];
    }

    /** Runs the rest of an open step and commits it. */
    void complete(StressSequence s) {
        while (s.inStep()) {
            advance(s);
        }
    }

    /** Runs the next layer of an open step, or commits it. */
    void advance(StressSequence s) {
        if (s.nextLayer == geometry.layers()) {
            long start = System.nanoTime();
            s.sequence.commit();
            if (!s.prompt) {
                tally.step(s.stepNanos + System.nanoTime() - start);
            }
            s.committed();
            return;
        }
        int layer = s.nextLayer++;
        int[] before = before(s, layer);
        for (int i = 0; i < s.alive.length; i++) {
            long stamp = s.stamps[s.alive[i]];
            put(q, Role.QUERY, stamp, layer, i);
            put(k, Role.KEY, stamp, layer, i);
            put(v, Role.VALUE, stamp, layer, i);
        }
        int[] rows = s.alive;
        long start = System.nanoTime();
        if (s.prompt) {
            RowSelection survivors = s.sequence.attendPrompt(layer, rows.length, q, k, v, out);
            s.alive = survivors.select(rows);
        } else {
            s.sequence.attend(layer, q, k, v, out);
        }
        s.stepNanos += System.nanoTime() - start;
        compare(s, layer, before, rows);
    }

    /** Closes a sequence whose step failed; until then it must refuse to go on. */
    void closeBroken(KvSequence sequence) {
        boolean refused = false;
        try {
            sequence.beginToken();
        } catch (IllegalStateException refusal) {
            refused = true;
        }
        Violation.unless(refused, "a sequence whose step failed begins another");
        sequence.close();
    }

    /** Positions that a layer holds before the open step's own. */
    private static int[] before(StressSequence s, int layer) {
        return Arrays.stream(s.sequence.positions(layer))
                .filter(position -> position < s.length)
                .toArray();
    }

    private void put(MemorySegment target, Role role, long stamp, int layer, int index) {
        int elements = contents.elements(role);
        contents.write(role, stamp, layer, row, 0);
        MemorySegment.copy(row, 0, target, JAVA_FLOAT, 4L * index * elements, elements);
    }

    /** Compares the rows that saw {@code before} and the step's rows up to their own. */
    private void compare(StressSequence s, int layer, int[] before, int[] rows) {
        int elements = geometry.keyValueRowElements();
        for (int i = 0; i < before.length + rows.length; i++) {
            int position = i < before.length ? before[i] : rows[i - before.length];
            contents.writeStored(Role.KEY, s.stamps[position], layer, keys, i * elements);
            contents.writeStored(Role.VALUE, s.stamps[position], layer, values, i * elements);
        }
        double tolerance = tolerance(s);
        boolean pruned = setting.prunesBetweenRows() && s.sequence.retained(layer) < before.length + rows.length;
        int comparable = pruned ? 1 : rows.length; // what later rows saw is not known
        for (int i = 0; i < comparable; i++) {
            contents.write(Role.QUERY, s.stamps[rows[i]], layer, row, 0);
            for (int head = 0; head < geometry.queryHeads(); head++) {
                double error = error(i, head, before.length + i + 1);
                Violation.unless(
                        error <= tolerance,
                        "layer {}, position {}, query head {}: output is wrong by {}, expected at most {}",
                        layer,
                        rows[i],
                        head,
                        error,
                        tolerance);
            }
        }
        tally.compared(comparable);
    }

    /** What an output may be off by: rounding, and where not all of V is read, what the mass missed can amount to. */
    private double tolerance(StressSequence s) {
        if (setting.readsAll()) {
            return TOLERANCE;
        }
        return TOLERANCE + (2 + MEAN_TOLERANCE) * s.sequence.fetchReport().missedMassMax();
    }

    /** Largest difference of one query head's output from the one over the first {@code count} rows. */
    private double error(int index, int head, int count) {
        int headSize = geometry.headSize();
        int elements = geometry.keyValueRowElements();
        int first = head / geometry.groupSize() * headSize;
        double largest = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            double dot = 0;
            for (int e = 0; e < headSize; e++) {
                dot += (double) row[head * headSize + e] * keys[i * elements + first + e];
            }
            weights[i] = dot / Math.sqrt(headSize);
            largest = Math.max(largest, weights[i]);
        }
        double sum = 0;
        for (int i = 0; i < count; i++) {
            weights[i] = Math.exp(weights[i] - largest);
            sum += weights[i];
        }
        double error = 0;
        for (int e = 0; e < headSize; e++) {
            double expected = 0;
            for (int i = 0; i < count; i++) {
                expected += weights[i] * values[i * elements + first + e];
            }
            long at = ((long) index * geometry.queryHeads() + head) * headSize + e;
            double difference = Math.abs(expected / sum - out.getAtIndex(JAVA_FLOAT, at));
            error = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(error, difference);
        }
        return error;
    }

    @Override
    public void close() {
        arena.close();
    }
}
