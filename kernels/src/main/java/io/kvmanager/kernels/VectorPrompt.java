package io.kvmanager.kernels;

import static io.kvmanager.kernels.KeyPanel.QUAD;
import static io.kvmanager.kernels.KeyPanel.SLOTS;
import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.LANES;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Causal attention of a prompt's rows, tile by tile with a running softmax, never a row of all scores (after Milakov
 * and Gimelshein, "Online normalizer calculation for softmax", and Dao et al., "FlashAttention").
 *
 * <p>Work is cut into parts: one KV head and a range of rows, whose queries are {@code (row, head of the group)} pairs
 * in ascending row order, padded to a multiple of four.
 *
 * <ol>
 *   <li>queries are scaled and stored four side by side
 *   <li>for every panel of 64 slots that some query sees: values become F32 once, then for every four queries
 *     <ol>
 *       <li>scores {@code [4][64]}; what a query does not see becomes very small
 *       <li>{@code m' = max(m, scores)}; sums so far and the running sum z shrink by {@code exp(m - m')}
 *       <li>weights {@code exp(score - m')}, added to z; weighted values added to the sums
 *     </ol>
 *   <li>{@code out = sums / z}, {@code logSumExp = m + log z}
 * </ol>
 */
final class VectorPrompt {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final int QUERIES_PER_PART = 256;
    private static final float UNSEEN = -1e30f;

    private final CacheGeometry geometry;
    private final WorkerGroup workers;
    private final int rowsPerPart;
    private final ScratchPool<Scratch> scratch;

    VectorPrompt(CacheGeometry geometry, MemorySegment slab, BlockRows rows, WorkerGroup workers) {
        this.geometry = geometry;
        this.workers = workers;
        this.rowsPerPart = Math.max(1, QUERIES_PER_PART / geometry.groupSize());
        this.scratch = new ScratchPool<>(
                workers.threads(), () -> new Scratch(geometry, slab, rows, rowsPerPart * geometry.groupSize()));
    }

    void attend(
            MemorySegment q,
            int rowCount,
            int firstSlot,
            MemorySegment keyTable,
            MemorySegment valueTable,
            MemorySegment out,
            MemorySegment logSumExp) {
        int ranges = (rowCount + rowsPerPart - 1) / rowsPerPart;
        workers.run(geometry.kvHeads() * ranges, part -> {
            int kvHead = part % geometry.kvHeads();
            // The last rows see most and go first, so that no thread is left with a long part at the end.
            int firstRow = (ranges - 1 - part / geometry.kvHeads()) * rowsPerPart;
            int count = Math.min(rowsPerPart, rowCount - firstRow);
            int piece = scratch.take();
            try {
                Scratch own = scratch.get(piece);
                own.begin(q, kvHead, firstRow, count);
                own.attend(keyTable, valueTable, firstSlot + firstRow, count);
                own.finish(out, logSumExp, firstRow, count);
            } finally {
                scratch.giveBack(piece);
            }
        });
    }

    /** One thread's panels and the state of its queries. */
    private static final class Scratch {
        final CacheGeometry geometry;
        final BlockRows rows;
        final int headSize;
        final int groupSize;
        final int stride;
        final KeyPanel keys;
        final float[] values;
        final float[] queries;
        final float[] scores = new float[QUAD * SLOTS];
        final float[] sums;
        final float[] max;
        final double[] total;
        int kvHead;

        Scratch(CacheGeometry geometry, MemorySegment slab, BlockRows rows, int queryCount) {
            this.geometry = geometry;
            this.rows = rows;
            this.headSize = geometry.headSize();
            this.groupSize = geometry.groupSize();
            this.stride = (headSize + LANES - 1) / LANES * LANES;
            this.keys = new KeyPanel(geometry, slab, rows);
            this.values = new float[SLOTS * stride];
            int padded = (queryCount + QUAD - 1) / QUAD * QUAD;
            this.queries = new float[padded * headSize];
            this.sums = new float[padded * stride];
            this.max = new float[padded];
            this.total = new double[padded];
        }

        void begin(MemorySegment q, int ofKvHead, int firstRow, int count) {
            kvHead = ofKvHead;
            float scale = (float) (1 / Math.sqrt(headSize));
            for (int i = 0; i < count * groupSize; i++) {
                long from = sourceRow(firstRow, i) * headSize;
                KeyPanel.query(q, from, headSize, scale, queries, i / QUAD * QUAD * headSize + i % QUAD);
            }
            Arrays.fill(sums, 0);
            Arrays.fill(max, UNSEEN);
            Arrays.fill(total, 0);
        }

        /** Row of {@code q} and {@code out} that holds query {@code i} of this part. */
        private long sourceRow(int firstRow, int i) {
            int head = kvHead * groupSize + i % groupSize;
            return (long) (firstRow + i / groupSize) * geometry.queryHeads() + head;
        }

        /** Row r of this part sees slots 0..firstVisible+r. */
        void attend(MemorySegment keyTable, MemorySegment valueTable, int firstVisible, int count) {
            int slots = firstVisible + count;
            int queryCount = count * groupSize;
            for (int first = 0; first < slots; first += SLOTS) {
                int here = Math.min(SLOTS, slots - first);
                keys.load(keyTable, kvHead, first, here);
                for (int slot = 0; slot < here; slot++) {
                    rows.row(rows.rowOffset(valueTable, first + slot, kvHead), values, slot * stride);
                }
                for (int query = 0; query < queryCount; query += QUAD) {
                    int lastRow = Math.min(queryCount - 1, query + QUAD - 1) / groupSize;
                    if (firstVisible + lastRow >= first) {
                        keys.scores(queries, query * headSize, scores);
                        weights(query, firstVisible - first, here);
                        addValues(query * stride, here);
                    }
                }
            }
        }

        /** Steps 2 and 3 for four queries; the query of row r sees panel slots 0..seen+r. */
        private void weights(int query, int seen, int here) {
            for (int i = 0; i < QUAD; i++) {
                int at = i * SLOTS;
                int visible = Math.min(here, seen + (query + i) / groupSize + 1);
                if (visible < SLOTS) {
                    Arrays.fill(scores, at + Math.max(0, visible), at + SLOTS, UNSEEN);
                }
                float before = max[query + i];
                float now = Math.max(before, largest(at));
                if (now > before) {
                    max[query + i] = now;
                    shrink(query + i, before == UNSEEN ? 0 : (float) Math.exp(before - now));
                }
                total[query + i] += exponentials(at, now);
            }
        }

        private float largest(int at) {
            FloatVector largest = FloatVector.fromArray(FLOATS, scores, at);
            for (int slot = LANES; slot < SLOTS; slot += LANES) {
                largest = largest.max(FloatVector.fromArray(FLOATS, scores, at + slot));
            }
            return largest.reduceLanes(VectorOperators.MAX);
        }

        private void shrink(int query, float factor) {
            total[query] *= factor;
            for (int e = query * stride; e < (query + 1) * stride; e += LANES) {
                FloatVector.fromArray(FLOATS, sums, e).mul(factor).intoArray(sums, e);
            }
        }

        private float exponentials(int at, float now) {
            FloatVector sum = FloatVector.zero(FLOATS);
            for (int slot = at; slot < at + SLOTS; slot += LANES) {
                FloatVector weight = VectorSoftmax.exp(
                        FloatVector.fromArray(FLOATS, scores, slot).sub(now));
                weight.intoArray(scores, slot);
                sum = sum.add(weight);
            }
            return Lanes.sum(sum);
        }

        private void addValues(int at, int here) {
            int column = 0;
            for (; column + 2 * LANES <= stride; column += 2 * LANES) {
                twoVectors(at + column, column, here);
            }
            if (column < stride) {
                oneVector(at + column, column, here);
            }
        }

        private void twoVectors(int at, int column, int here) {
            FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
            FloatVector s01 = FloatVector.fromArray(FLOATS, sums, at + LANES);
            FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
            FloatVector s11 = FloatVector.fromArray(FLOATS, sums, at + stride + LANES);
            FloatVector s20 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride);
            FloatVector s21 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride + LANES);
            FloatVector s30 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride);
            FloatVector s31 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride + LANES);
            for (int slot = 0; slot < here; slot++) {
                FloatVector v0 = FloatVector.fromArray(FLOATS, values, slot * stride + column);
                FloatVector v1 = FloatVector.fromArray(FLOATS, values, slot * stride + column + LANES);
                FloatVector w0 = FloatVector.broadcast(FLOATS, scores[slot]);
                s00 = v0.fma(w0, s00);
                s01 = v1.fma(w0, s01);
                FloatVector w1 = FloatVector.broadcast(FLOATS, scores[slot + SLOTS]);
                s10 = v0.fma(w1, s10);
                s11 = v1.fma(w1, s11);
                FloatVector w2 = FloatVector.broadcast(FLOATS, scores[slot + 2 * SLOTS]);
                s20 = v0.fma(w2, s20);
                s21 = v1.fma(w2, s21);
                FloatVector w3 = FloatVector.broadcast(FLOATS, scores[slot + 3 * SLOTS]);
                s30 = v0.fma(w3, s30);
                s31 = v1.fma(w3, s31);
            }
            s00.intoArray(sums, at);
            s01.intoArray(sums, at + LANES);
            s10.intoArray(sums, at + stride);
            s11.intoArray(sums, at + stride + LANES);
            s20.intoArray(sums, at + 2 * stride);
            s21.intoArray(sums, at + 2 * stride + LANES);
            s30.intoArray(sums, at + 3 * stride);
            s31.intoArray(sums, at + 3 * stride + LANES);
        }

        private void oneVector(int at, int column, int here) {
            FloatVector s00 = FloatVector.fromArray(FLOATS, sums, at);
            FloatVector s10 = FloatVector.fromArray(FLOATS, sums, at + stride);
            FloatVector s20 = FloatVector.fromArray(FLOATS, sums, at + 2 * stride);
            FloatVector s30 = FloatVector.fromArray(FLOATS, sums, at + 3 * stride);
            for (int slot = 0; slot < here; slot++) {
                FloatVector v0 = FloatVector.fromArray(FLOATS, values, slot * stride + column);
                FloatVector w0 = FloatVector.broadcast(FLOATS, scores[slot]);
                s00 = v0.fma(w0, s00);
                FloatVector w1 = FloatVector.broadcast(FLOATS, scores[slot + SLOTS]);
                s10 = v0.fma(w1, s10);
                FloatVector w2 = FloatVector.broadcast(FLOATS, scores[slot + 2 * SLOTS]);
                s20 = v0.fma(w2, s20);
                FloatVector w3 = FloatVector.broadcast(FLOATS, scores[slot + 3 * SLOTS]);
                s30 = v0.fma(w3, s30);
            }
            s00.intoArray(sums, at);
            s10.intoArray(sums, at + stride);
            s20.intoArray(sums, at + 2 * stride);
            s30.intoArray(sums, at + 3 * stride);
        }

        void finish(MemorySegment out, MemorySegment logSumExp, int firstRow, int count) {
            for (int i = 0; i < count * groupSize; i++) {
                long to = sourceRow(firstRow, i);
                logSumExp.setAtIndex(FLOAT, to, (float) (max[i] + Math.log(total[i])));
                shrink(i, (float) (1 / total[i]));
                MemorySegment.copy(sums, i * stride, out, FLOAT, 4 * to * headSize, headSize);
            }
        }
    }
}
