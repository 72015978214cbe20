package io.kvmanager.offload;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.FetchTally;
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
 * unread [kvHeads][stride]      the outcome as a factor: 0 for what a KV head reads, 1 for the rest
 * rests  [stride]               one row of the workspace's rest, as it is written
 * </pre>
 *
 * Loops over all blocks have no branch that depends on masses: at 2048 blocks and 32 query heads a mispredicted branch
 * per block costs more than the rest of the step.
 *
 * Steps:
 * <ol>
 *   <li>{@link #read} copies masses and tables out of device memory, once.
 *   <li>{@link #choose} makes a key of every offloaded block whose score is above 0 (a tile without mass adds nothing,
 *       so it is never fetched), and lets {@link TileKeys#selectLargest} find the tiles:
 *       <ul>
 *         <li>TopN(n): the n largest.
 *         <li>Certified: none; {@link Certificate} chooses once there is an output.
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
    private float[] unread = {};
    private float[] scores = {};
    private float[] rests = {};
    private long[] keys = {};
    private int selected;
    private int[] blockIds = {};
    private int[] homes = {};
    private int[] offloaded = {};
    private int offloadedCount;
    private final double[] missed;

    ValueSelector(CacheGeometry geometry, ValueSelection selection) {
        queryHeads = geometry.queryHeads();
        groupSize = geometry.groupSize();
        blockTokens = geometry.blockTokens();
        limit = selection instanceof ValueSelection.Certified ? 0 : selection.maxTiles();
        missed = new double[queryHeads];
        groupMass = switch (selection) {
            case ValueSelection.TopN ignored -> TileKeys.ENDLESS;
            case ValueSelection.Nucleus nucleus -> nucleus.mass() * groupSize;
            case ValueSelection.Certified ignored -> 0;
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
        offloadedCount = 0;
        for (int block = 0; block < count; block++) {
            if (blockIds[block] == ABSENT) {
                if (homes[block] == ABSENT) {
                    throw new IllegalStateException("logical block " + block + " has no device block and no home");
                }
                offloaded[offloadedCount++] = block;
            }
        }
        for (int head = 0; head < queryHeads; head++) {
            MemorySegment.copy(workspace.mass(), FLOAT, 4L * head * stride, masses, head * stride, count);
        }
    }

    private void takeScratch(int newStride) {
        stride = newStride;
        masses = new float[Math.multiplyExact(queryHeads, stride)];
        unread = new float[queryHeads / groupSize * stride];
        scores = new float[stride];
        rests = new float[stride];
        keys = new long[stride];
        blockIds = new int[stride];
        homes = new int[stride];
        offloaded = new int[stride];
    }

    /** Decides for one KV head. */
    void choose(int kvHead) {
        score(kvHead);
        int row = kvHead * stride;
        Arrays.fill(unread, row, row + blocks, 0f);
        int count = 0;
        for (int i = 0; i < offloadedCount; i++) {
            int block = offloaded[i];
            float score = scores[block];
            unread[row + block] = 1f;
            keys[count] = TileKeys.key(score, block);
            count += score > 0 ? 1 : 0;
        }
        selected = TileKeys.selectLargest(keys, count, limit, groupMass - residentMass(row));
        for (int i = 0; i < selected; i++) {
            unread[row + TileKeys.block(keys[i])] = 0f;
        }
    }

    /** Summed scores of the resident blocks, before anything is chosen. */
    private double residentMass(int row) {
        double sum = 0;
        if (groupMass != TileKeys.ENDLESS) {
            for (int block = 0; block < blocks; block++) {
                sum += unread[row + block] == 0 ? scores[block] : 0f;
            }
        }
        return sum;
    }

    /** Tiles that the last {@link #choose} chose. */
    int chosenCount() {
        return selected;
    }

    /** Logical block of the last {@link #choose}'s tile {@code index}; in no particular order. */
    int chosen(int index) {
        return TileKeys.block(keys[index]);
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

    /** Whether a KV head reads a block: it is resident or was chosen. */
    boolean isRead(int kvHead, int block) {
        return unread[kvHead * stride + block] == 0;
    }

    /** Device block of a resident block. */
    int blockId(int block) {
        return blockIds[block];
    }

    int home(int block) {
        return homes[block];
    }

    /** Has a KV head read one more block. */
    void markRead(int kvHead, int block) {
        unread[kvHead * stride + block] = 0f;
    }

    /** Blocks without a device block. */
    int offloadedCount() {
        return offloadedCount;
    }

    /** The {@code index}-th of them, ascending. */
    int offloaded(int index) {
        return offloaded[index];
    }

    /** Mass of a block for a query head. */
    float mass(int queryHead, int block) {
        return masses[queryHead * stride + block];
    }

    /** Writes rest for all query heads. */
    void writeRest(MemorySegment rest) {
        int padded = Math.ceilDiv(blocks, blockTokens) * blockTokens;
        Arrays.fill(rests, blocks, padded, 0f);
        for (int head = 0; head < queryHeads; head++) {
            int row = head * stride;
            int factors = head / groupSize * stride;
            for (int block = 0; block < blocks; block++) {
                rests[block] = masses[row + block] * unread[factors + block];
            }
            MemorySegment.copy(rests, 0, rest, FLOAT, 4L * row, padded);
            missed[head] = sum(rests, blocks);
        }
    }

    /** Counts what is missed according to the last {@link #writeRest}. */
    void countMissed(FetchTally tally) {
        double missedSum = 0;
        double missedMax = 0;
        for (int head = 0; head < queryHeads; head++) {
            tally.missedOf(head, missed[head]);
            missedSum += missed[head];
            missedMax = Math.max(missedMax, missed[head]);
        }
        tally.missed(missedSum / queryHeads, missedMax, (long) blocks * (queryHeads / groupSize));
    }

    /** Four sums at once, since each addition waits for the one before it. */
    private static double sum(float[] values, int count) {
        double a = 0;
        double b = 0;
        double c = 0;
        double d = 0;
        int i = 0;
        for (; i + 3 < count; i += 4) {
            a += values[i];
            b += values[i + 1];
            c += values[i + 2];
            d += values[i + 3];
        }
        for (; i < count; i++) {
            a += values[i];
        }
        return (a + b) + (c + d);
    }
}
