package io.kvmanager.offload;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionWorkspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Chooses, for each KV head, the offloaded blocks whose tiles a step reads.
 *
 * <p>Terms: a block is <em>resident</em> if it has a device block, whether or not it has a home too; every KV head
 * reads it. The others are <em>offloaded</em>. The <em>score</em> of a block for a KV head is its mass summed over the
 * GQA group, in F32 and in the order of the query heads.
 *
 * <pre>
 * masses [queryHeads][stride]   copy of the workspace's mass
 * chosen [kvHeads][stride]      the outcome
 * rests  [stride]               one row of the workspace's rest, as it is written
 * </pre>
 *
 * Steps:
 * <ol>
 *   <li>{@link #read} copies masses and tables out of device memory, once.
 *   <li>{@link #choose} makes a key of every offloaded block whose score is above 0 (a tile without mass adds nothing,
 *       so it is never fetched), and lets {@link TileKeys#selectLargest} find the tiles:
 *       <ul>
 *         <li>TopN(n): the n largest.
 *         <li>Nucleus(mass, maxTiles): the fewest for which {@code resident + chosen >= mass * group size}, both sums
 *             over the group; at most maxTiles.
 *       </ul>
 *   <li>{@link #writeRest} writes the mass of what is not read, with zeros up to a whole block of summaries.
 * </ol>
 */
final class ValueSelector {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    private final int queryHeads;
    private final int groupSize;
    private final int blockTokens;
    private final int limit;
    private final double groupMass;

    private int stride;
    private int blocks;
    private float[] masses = {};
    private boolean[] chosen = {};
    private float[] scores = {};
    private float[] rests = {};
    private long[] keys = {};
    private int[] blockIds = {};
    private int[] homes = {};
    private double missedSum;
    private double missedMax;

    ValueSelector(CacheGeometry geometry, ValueSelection selection) {
        queryHeads = geometry.queryHeads();
        groupSize = geometry.groupSize();
        blockTokens = geometry.blockTokens();
        limit = selection.maxTiles();
        groupMass =
                switch (selection) {
                    case ValueSelection.TopN ignored -> TileKeys.ENDLESS;
                    case ValueSelection.Nucleus nucleus -> nucleus.mass() * groupSize;
                };
    }

    /** Takes a step's masses and tables. */
    void read(AttentionWorkspace workspace, int count, MemorySegment valueTable, MemorySegment homeTable) {
        if (count < 0 || count > workspace.maxBlocks()) {
            throw new IllegalArgumentException(
                    count + " blocks are not accepted; accepted: 0 to " + workspace.maxBlocks());
        }
        if (stride != workspace.maxBlocks()) {
            takeScratch(workspace.maxBlocks());
        }
        blocks = count;
        MemorySegment.copy(valueTable, INT, 0, blockIds, 0, count);
        MemorySegment.copy(homeTable, INT, 0, homes, 0, count);
        for (int block = 0; block < count; block++) {
            if (blockIds[block] == ABSENT && homes[block] == ABSENT) {
                throw new IllegalStateException("logical block " + block + " has neither a device block nor a home");
            }
        }
        for (int head = 0; head < queryHeads; head++) {
            MemorySegment.copy(workspace.mass(), FLOAT, 4L * head * stride, masses, head * stride, count);
        }
    }

    private void takeScratch(int newStride) {
        stride = newStride;
        masses = new float[Math.multiplyExact(queryHeads, stride)];
        chosen = new boolean[queryHeads / groupSize * stride];
        scores = new float[stride];
        rests = new float[stride];
        keys = new long[stride];
        blockIds = new int[stride];
        homes = new int[stride];
    }

    /** Decides for one KV head. */
    void choose(int kvHead) {
        score(kvHead);
        int count = 0;
        double resident = 0;
        for (int block = 0; block < blocks; block++) {
            float score = scores[block];
            if (isResident(block)) {
                resident += score;
            } else if (score > 0) {
                keys[count++] = TileKeys.key(score, block);
            }
        }
        int selected = TileKeys.selectLargest(keys, count, limit, groupMass - resident);
        int row = kvHead * stride;
        Arrays.fill(chosen, row, row + blocks, false);
        for (int i = 0; i < selected; i++) {
            chosen[row + TileKeys.block(keys[i])] = true;
        }
    }

    private void score(int kvHead) {
        Arrays.fill(scores, 0, blocks, 0f);
        for (int member = 0; member < groupSize; member++) {
            int row = (kvHead * groupSize + member) * stride;
            for (int block = 0; block < blocks; block++) {
                scores[block] += masses[row + block];
            }
        }
    }

    boolean isResident(int block) {
        return blockIds[block] != ABSENT;
    }

    boolean isChosen(int kvHead, int block) {
        return chosen[kvHead * stride + block];
    }

    /** Device block of a resident block. */
    int blockId(int block) {
        return blockIds[block];
    }

    int home(int block) {
        return homes[block];
    }

    /** Writes rest for all query heads, and sums up what is missed. */
    void writeRest(MemorySegment rest) {
        missedSum = 0;
        missedMax = 0;
        int padded = Math.ceilDiv(blocks, blockTokens) * blockTokens;
        Arrays.fill(rests, blocks, padded, 0f);
        for (int head = 0; head < queryHeads; head++) {
            int row = head * stride;
            int chosenRow = head / groupSize * stride;
            double missed = 0;
            for (int block = 0; block < blocks; block++) {
                boolean isRead = isResident(block) || chosen[chosenRow + block];
                float left = isRead ? 0f : masses[row + block];
                rests[block] = left;
                missed += left;
            }
            MemorySegment.copy(rests, 0, rest, FLOAT, 4L * row, padded);
            missedSum += missed;
            missedMax = Math.max(missedMax, missed);
        }
    }

    /** Missed mass, mean over query heads; of the last {@link #writeRest}. */
    double missedMean() {
        return missedSum / queryHeads;
    }

    /** Missed mass of the query head that missed most; of the last {@link #writeRest}. */
    double missedMax() {
        return missedMax;
    }
}
