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

/**
 * The attention that given queries pay to slots, summed over queries.
 *
 * <ol>
 *   <li>queries are scaled and stored four side by side, per KV head; each has a factor, its row's weight over the
 *       number of query heads, zero for padding
 *   <li>slots are cut into panels of 64, a part each, the first of which may begin before the first slot; for every KV
 *       head and four queries: scores {@code [4][64]}, and {@code column += factor * exp(score - logSumExp)}
 * </ol>
 */
final class VectorColumns {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

    private final CacheGeometry geometry;
    private final WorkerGroup workers;
    private final int headSize;
    private final int groupSize;
    private final ScratchPool<Scratch> scratch;
    private final PanelPart part = new PanelPart();
    private float[] queries = {};
    private float[] logSumExps = {};
    private float[] factors = {};

    VectorColumns(CacheGeometry geometry, MemorySegment slab, BlockRows rows, WorkerGroup workers) {
        this.geometry = geometry;
        this.workers = workers;
        this.headSize = geometry.headSize();
        this.groupSize = geometry.groupSize();
        this.scratch = new ScratchPool<>(workers.threads(), () -> new Scratch(new KeyPanel(geometry, slab, rows)));
    }

    /** One thread's panel and sums. */
    private static final class Scratch {
        final KeyPanel keys;
        final float[] scores = new float[QUAD * SLOTS];
        final float[] columns = new float[SLOTS];

        Scratch(KeyPanel keys) {
            this.keys = keys;
        }
    }

    void scores(
            MemorySegment q,
            MemorySegment logSumExp,
            MemorySegment rowWeights,
            int rowCount,
            MemorySegment keyTable,
            int firstSlot,
            int count,
            MemorySegment out) {
        part.table = keyTable;
        part.firstSlot = firstSlot;
        part.count = count;
        part.out = out;
        part.perKvHead = (rowCount * groupSize + QUAD - 1) / QUAD * QUAD;
        prepare(q, logSumExp, rowWeights, rowCount, part.perKvHead);
        workers.run((firstSlot + count + SLOTS - 1) / SLOTS - firstSlot / SLOTS, part);
    }

    /** One panel of columns; kept, because a lambda that captures would be an allocation per call. */
    private final class PanelPart implements WorkerGroup.Part {
        private MemorySegment table = MemorySegment.NULL;
        private MemorySegment out = MemorySegment.NULL;
        private int firstSlot;
        private int count;
        private int perKvHead;

        @Override
        public void run(int index) {
            int begin = (firstSlot / SLOTS + index) * SLOTS;
            int end = Math.min(begin + SLOTS, firstSlot + count);
            int from = Math.max(begin, firstSlot);
            int piece = scratch.take();
            try {
                Scratch own = scratch.get(piece);
                Arrays.fill(own.columns, 0);
                for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
                    own.keys.load(table, kvHead, begin, end - begin);
                    for (int query = kvHead * perKvHead; query < (kvHead + 1) * perKvHead; query += QUAD) {
                        own.keys.scores(queries, query * headSize, own.scores);
                        add(query, own);
                    }
                }
                MemorySegment.copy(own.columns, from - begin, out, FLOAT, 4L * (from - firstSlot), end - from);
            } finally {
                scratch.giveBack(piece);
            }
        }
    }

    private void prepare(
            MemorySegment q, MemorySegment logSumExp, MemorySegment rowWeights, int rowCount, int perKvHead) {
        int heads = geometry.queryHeads();
        int padded = geometry.kvHeads() * perKvHead;
        if (factors.length < padded) {
            queries = new float[padded * headSize];
            logSumExps = new float[padded];
            factors = new float[padded];
        }
        Arrays.fill(factors, 0);
        float scale = (float) (1 / Math.sqrt(headSize));
        for (int row = 0; row < rowCount; row++) {
            for (int head = 0; head < heads; head++) {
                int query = head / groupSize * perKvHead + row * groupSize + head % groupSize;
                long from = (long) row * heads + head;
                int at = query / QUAD * QUAD * headSize + query % QUAD;
                KeyPanel.query(q, from * headSize, headSize, scale, queries, at);
                logSumExps[query] = logSumExp.getAtIndex(FLOAT, from);
                factors[query] = rowWeights.getAtIndex(FLOAT, row) / heads;
            }
        }
    }

    private void add(int query, Scratch own) {
        for (int i = 0; i < QUAD; i++) {
            float logSumExp = logSumExps[query + i];
            FloatVector factor = FloatVector.broadcast(FLOATS, factors[query + i]);
            for (int slot = 0; slot < SLOTS; slot += LANES) {
                FloatVector score = FloatVector.fromArray(FLOATS, own.scores, i * SLOTS + slot);
                VectorSoftmax.cappedExp(score.sub(logSumExp))
                        .fma(factor, FloatVector.fromArray(FLOATS, own.columns, slot))
                        .intoArray(own.columns, slot);
            }
        }
    }
}
