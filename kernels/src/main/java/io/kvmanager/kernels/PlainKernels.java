package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.ShadowLayout;
import io.kvmanager.spi.TileList;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The kernels as plain loops: what they compute, written the way one would explain it.
 *
 * <p>Terms: query head {@code h} reads KV head {@code h / groupSize}; {@code s(h, t) = q[h] . k[t] / sqrt(headSize)}.
 *
 * <ol>
 *   <li>{@code m(h) = max over t of s(h, t)}, so that no exponential overflows
 *   <li>{@code z(h) = sum over t of exp(s(h, t) - m(h))}
 *   <li>{@code weight(h, t) = exp(s(h, t) - m(h)) / z(h)}, {@code logSumExp(h) = m(h) + log z(h)}
 *   <li>{@code out[h] = sum over t of weight(h, t) * v[t]}
 * </ol>
 *
 * Dot products and weighted sums accumulate in F32, sums of exponentials in double. KV heads are shared among threads;
 * each is computed by one thread in ascending order.
 */
final class PlainKernels implements AttentionKernels {
    static final String NAME = "plain";
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

    private final CacheGeometry geometry;
    private final BlockRows rows;
    private final BlockShadows sealing;
    private final PlainShadows shadows;
    private final WorkerGroup workers;
    private final int groupSize;
    private final int headSize;
    private final int blockTokens;
    private final float scale;
    /** One decoded row per KV head, since each KV head is one thread's. */
    private final float[][] decoded;

    private final ScoresPart scoresPart = new ScoresPart();
    private final ValuesPart valuesPart = new ValuesPart();

    PlainKernels(CacheGeometry geometry, MemorySegment slab, WorkerGroup workers) {
        this.geometry = geometry;
        this.rows = new BlockRows(geometry, slab);
        this.workers = workers;
        this.sealing = new BlockShadows(geometry, slab, rows);
        this.shadows = new PlainShadows(geometry, rows, sealing, workers);
        this.groupSize = geometry.groupSize();
        this.headSize = geometry.headSize();
        this.blockTokens = geometry.blockTokens();
        this.scale = (float) (1 / Math.sqrt(headSize));
        this.decoded = new float[geometry.kvHeads()][headSize];
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public void zero(int blockId) {
        rows.zero(blockId);
    }

    @Override
    public void copyBlock(int fromBlockId, int toBlockId) {
        rows.copyBlock(fromBlockId, toBlockId);
    }

    @Override
    public void append(Role role, MemorySegment table, int firstSlot, MemorySegment from, int count) {
        rows.append(role, table, firstSlot, from, count);
    }

    @Override
    public void read(Role role, MemorySegment table, int firstSlot, MemorySegment to, int count) {
        rows.read(role, table, firstSlot, to, count);
    }

    @Override
    public void attendPrompt(
            MemorySegment q,
            int rowCount,
            int firstSlot,
            MemorySegment keyTable,
            MemorySegment valueTable,
            MemorySegment out,
            MemorySegment logSumExp) {
        workers.run(geometry.kvHeads(), kvHead -> {
            float[] weights = new float[firstSlot + rowCount];
            for (int row = 0; row < rowCount; row++) {
                for (int head = kvHead * groupSize; head < (kvHead + 1) * groupSize; head++) {
                    int query = row * geometry.queryHeads() + head;
                    float lse = promptWeights(q, query, keyTable, firstSlot + row + 1, weights);
                    logSumExp.setAtIndex(FLOAT, query, lse);
                    promptOut(weights, firstSlot + row + 1, valueTable, out, query);
                }
            }
        });
    }

    /** Softmax weights of one query over slots 0..tokens-1; returns its log-sum-exp. */
    private float promptWeights(MemorySegment q, int query, MemorySegment keyTable, int tokens, float[] weights) {
        float max = Float.NEGATIVE_INFINITY;
        for (int slot = 0; slot < tokens; slot++) {
            weights[slot] = dot(q, query, keyTable, slot) * scale;
            max = Math.max(max, weights[slot]);
        }
        double sum = 0;
        for (int slot = 0; slot < tokens; slot++) {
            weights[slot] = (float) Math.exp(weights[slot] - max);
            sum += weights[slot];
        }
        for (int slot = 0; slot < tokens; slot++) {
            weights[slot] = (float) (weights[slot] / sum);
        }
        return (float) (max + Math.log(sum));
    }

    private void promptOut(float[] weights, int tokens, MemorySegment valueTable, MemorySegment out, int query) {
        int kvHead = query % geometry.queryHeads() / groupSize;
        long outOffset = 4L * query * headSize;
        out.asSlice(outOffset, 4L * headSize).fill((byte) 0);
        for (int slot = 0; slot < tokens; slot++) {
            addRow(weights[slot], rows.rowOffset(valueTable, slot, kvHead), decoded[kvHead], out, outOffset);
        }
    }

    @Override
    public void scores(MemorySegment q, MemorySegment keyTable, int tokens, AttentionWorkspace workspace) {
        scoresPart.q = q;
        scoresPart.keyTable = keyTable;
        scoresPart.tokens = tokens;
        scoresPart.workspace = workspace;
        workers.run(geometry.kvHeads(), scoresPart);
    }

    /** Steps 1 to 3 for the query heads of one KV head. */
    private final class ScoresPart implements WorkerGroup.Part {
        private MemorySegment q = MemorySegment.NULL;
        private MemorySegment keyTable = MemorySegment.NULL;
        private int tokens;
        private @Nullable AttentionWorkspace workspace;

        @Override
        public void run(int kvHead) {
            AttentionWorkspace space = Objects.requireNonNull(workspace);
            for (int head = kvHead * groupSize; head < (kvHead + 1) * groupSize; head++) {
                long first = (long) head * space.maxTokens();
                float max = Float.NEGATIVE_INFINITY;
                for (int slot = 0; slot < tokens; slot++) {
                    float score = dot(q, head, keyTable, slot) * scale;
                    space.weights().setAtIndex(FLOAT, first + slot, score);
                    max = Math.max(max, score);
                }
                softmax(space, head, max, tokens);
            }
        }
    }

    /** Turns a row of scores into weights, block masses and the log-sum-exp. */
    private void softmax(AttentionWorkspace space, int head, float max, int tokens) {
        MemorySegment weights = space.weights();
        long first = (long) head * space.maxTokens();
        double sum = 0;
        for (int slot = 0; slot < tokens; slot++) {
            float exp = (float) Math.exp(weights.getAtIndex(FLOAT, first + slot) - max);
            weights.setAtIndex(FLOAT, first + slot, exp);
            sum += exp;
        }
        for (int block = 0; block * blockTokens < tokens; block++) {
            double mass = 0;
            for (int slot = block * blockTokens; slot < (block + 1) * blockTokens; slot++) {
                float weight = slot < tokens ? (float) (weights.getAtIndex(FLOAT, first + slot) / sum) : 0;
                weights.setAtIndex(FLOAT, first + slot, weight);
                mass += weight;
            }
            space.mass().setAtIndex(FLOAT, (long) head * space.maxBlocks() + block, (float) mass);
        }
        space.logSumExp().setAtIndex(FLOAT, head, (float) (max + Math.log(sum)));
    }

    @Override
    public void values(MemorySegment weights, int stride, TileList tiles, MemorySegment out, boolean accumulate) {
        valuesPart.weights = weights;
        valuesPart.stride = stride;
        valuesPart.tiles = tiles;
        valuesPart.out = out;
        if (!accumulate) {
            out.asSlice(0, 4L * geometry.queryRowElements()).fill((byte) 0);
        }
        workers.run(geometry.kvHeads(), valuesPart);
    }

    /** Step 4 for the query heads of one KV head. */
    private final class ValuesPart implements WorkerGroup.Part {
        private MemorySegment weights = MemorySegment.NULL;
        private int stride;
        private @Nullable TileList tiles;
        private MemorySegment out = MemorySegment.NULL;

        @Override
        public void run(int kvHead) {
            TileList list = Objects.requireNonNull(tiles);
            int entries = list.count(kvHead);
            for (int head = kvHead * groupSize; head < (kvHead + 1) * groupSize; head++) {
                for (int entry = 0; entry < entries; entry++) {
                    long firstWeight = (long) head * stride + (long) list.block(kvHead, entry) * blockTokens;
                    long tile = geometry.tileOffset(list.tile(kvHead, entry));
                    for (int slot = 0; slot < blockTokens; slot++) {
                        float weight = weights.getAtIndex(FLOAT, firstWeight + slot);
                        long row = tile + (long) slot * geometry.rowBytes();
                        addRow(weight, row, decoded[kvHead], out, 4L * head * headSize);
                    }
                }
            }
        }
    }

    @Override
    public void columnScores(
            MemorySegment q,
            MemorySegment logSumExp,
            MemorySegment rowWeights,
            int rowCount,
            MemorySegment keyTable,
            int firstSlot,
            int count,
            MemorySegment out) {
        int heads = geometry.queryHeads();
        for (int column = 0; column < count; column++) {
            double total = 0;
            for (int row = 0; row < rowCount; row++) {
                double sum = 0;
                for (int head = 0; head < heads; head++) {
                    int query = row * heads + head;
                    float score = dot(q, query, keyTable, firstSlot + column) * scale;
                    sum += Math.exp(score - logSumExp.getAtIndex(FLOAT, query));
                }
                total += rowWeights.getAtIndex(FLOAT, row) * sum / heads;
            }
            out.setAtIndex(FLOAT, column, (float) total);
        }
    }

    @Override
    public void compact(
            Role role, MemorySegment fromTable, MemorySegment toTable, MemorySegment kept, int firstSlot, int count) {
        rows.compact(role, fromTable, toTable, kept, firstSlot, count);
    }

    @Override
    public void copyRow(Role role, int kvHead, int fromBlockId, int fromSlot, int toBlockId, int toSlot) {
        rows.copyRow(role, kvHead, fromBlockId, fromSlot, toBlockId, toSlot);
    }

    @Override
    public void summarise(int blockId, int summaryBlockId, int summarySlot) {
        rows.summarise(blockId, summaryBlockId, summarySlot);
    }

    @Override
    public boolean certifies() {
        return true;
    }

    @Override
    public void reach(int blockId, MemorySegment reaches, int index) {
        sealing.reach(blockId, reaches, index);
    }

    @Override
    public void reachFromMean(int blockId, int summaryBlockId, int summarySlot, MemorySegment reaches, int index) {
        sealing.reachFromMean(blockId, summaryBlockId, summarySlot, reaches, index);
    }

    @Override
    public void quantise(
            ShadowLayout layout,
            int blockId,
            int codeBlockId,
            int place,
            int rangeBlockId,
            int range,
            MemorySegment reaches,
            int index) {
        sealing.quantise(layout, blockId, codeBlockId, place, rangeBlockId, range, reaches, index);
    }

    @Override
    public void shadowValues(
            ShadowLayout layout,
            AttentionWorkspace workspace,
            DeviceCount blocks,
            MemorySegment codes,
            MemorySegment ranges,
            MemorySegment out) {
        shadows.add(layout, workspace, blocks.value(), codes, ranges, out);
    }

    @Override
    public void store(int blockId, MemorySegment host, long hostOffset) {
        rows.store(blockId, host, hostOffset);
    }

    @Override
    public void load(MemorySegment host, long hostOffset, int blockId) {
        rows.load(host, hostOffset, blockId);
    }

    @Override
    public void loadTile(MemorySegment host, long hostOffset, int tileIndex) {
        rows.loadTile(host, hostOffset, tileIndex);
    }

    /** Dot product of query {@code query} of {@code q} with its KV head's key in a slot. */
    private float dot(MemorySegment q, int query, MemorySegment keyTable, int slot) {
        int kvHead = query % geometry.queryHeads() / groupSize;
        float[] row = decoded[kvHead];
        rows.key(keyTable, slot, kvHead, row);
        long first = (long) query * headSize;
        float sum = 0;
        for (int e = 0; e < headSize; e++) {
            sum += q.getAtIndex(FLOAT, first + e) * row[e];
        }
        return sum;
    }

    /** Adds {@code weight} times the row at {@code rowOffset} to the F32 row of {@code out} at {@code outOffset}. */
    private void addRow(float weight, long rowOffset, float[] row, MemorySegment out, long outOffset) {
        rows.row(rowOffset, row, 0);
        for (int e = 0; e < headSize; e++) {
            float sum = out.get(FLOAT, outOffset + 4L * e) + weight * row[e];
            out.set(FLOAT, outOffset + 4L * e, sum);
        }
    }
}
