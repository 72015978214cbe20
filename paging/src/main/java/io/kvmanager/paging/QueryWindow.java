package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.BlockTables;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.Role;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The last queries of one layer and their log-sum-exp, from which the attention they paid can be computed again. That
 * replaces storing attention rows.
 *
 * <pre>
 * A query [queryHeads][headSize] is stored as groupSize rows of [kvHeads][headSize], in blocks of the cache's pool:
 * entry e = slots e * groupSize .. (e + 1) * groupSize - 1.  Entries are a ring: next is overwritten first.
 * </pre>
 */
final class QueryWindow {
    private final CacheGeometry geometry;
    private final Device device;
    private final AttentionKernels kernels;
    private final int capacity;
    private final int blocks;
    private final DeviceCount written;
    private final IntTable table;
    private final MemorySegment logSumExp;
    private final MemorySegment nothing;
    private final int[] positions;
    private int count;
    private int next;

    /**
     * Creates an empty window.
     *
     * @param written the entry behind the one that is written; its limit is the capacity
     * @param table {@code [blocks]} int32
     * @param logSumExp {@code [capacity][queryHeads]} F32 in device memory
     */
    QueryWindow(
            CacheGeometry geometry,
            Device device,
            AttentionKernels kernels,
            DeviceCount written,
            IntTable table,
            MemorySegment logSumExp) {
        this.geometry = geometry;
        this.device = device;
        this.kernels = kernels;
        this.capacity = written.limit();
        this.blocks = geometry.blocksFor(capacity * geometry.groupSize());
        this.written = written;
        this.table = table;
        this.logSumExp = logSumExp;
        this.positions = new int[capacity];
        table.fill(0, table.size(), BlockTables.ABSENT);
        // A query with this log-sum-exp gave no slot any attention.
        float[] most = new float[geometry.queryHeads()];
        Arrays.fill(most, Float.MAX_VALUE);
        this.nothing = MemorySegment.ofArray(most);
    }

    int capacity() {
        return capacity;
    }

    MemorySegment logSumExp() {
        return logSumExp;
    }

    /** Takes the window's blocks; on the first token. */
    void allocate(Reservation reservation) {
        for (int i = 0; i < blocks; i++) {
            table.set(i, reservation.zeroed(Account.QUERY_WINDOW));
        }
        forget(capacity);
    }

    /** Makes room for one query, over the oldest; its blocks must not be shared ({@link #firstWrittenBlock}). */
    void advance(int position) {
        positions[next] = position;
        next = (next + 1) % capacity;
        count = Math.min(count + 1, capacity);
        written.set(next == 0 ? capacity : next);
    }

    /** Stores the query that was made room for. */
    void store(MemorySegment q, MemorySegment statistics) {
        kernels.remember(geometry, table.memory(), logSumExp, written, q, statistics);
    }

    /** First table entry that the next {@link #advance} writes to. */
    int firstWrittenBlock() {
        return next * geometry.groupSize() / geometry.blockTokens();
    }

    /** Last table entry that the next {@link #advance} writes to. */
    int lastWrittenBlock() {
        return ((next + 1) * geometry.groupSize() - 1) / geometry.blockTokens();
    }

    /** Reads the queries to {@code q}, {@code [capacity][queryHeads][headSize]}, in ring order; empty ones as 0. */
    void read(MemorySegment q) {
        kernels.read(Role.QUERY, table.memory(), 0, q, capacity * geometry.groupSize());
    }

    /**
     * Weights of the stored queries from position {@code first} on, in ring order: linear from 1 for the oldest to
     * {@code distanceWeight} for the newest, over their number; 0 for older ones and empty entries. Who votes on a
     * token must have seen it: what a query would have paid a later one is no share of its attention.
     */
    void weights(int first, double distanceWeight, float[] rowWeights) {
        Arrays.fill(rowWeights, 0, capacity, 0);
        int voters = 0;
        while (voters < count && positions[entry(voters)] >= first) {
            voters++;
        }
        for (int age = 0; age < voters; age++) {
            rowWeights[entry(age)] = rowWeight(voters - 1 - age, voters, distanceWeight);
        }
    }

    /** Entry of a query, 0 for the newest. */
    private int entry(int age) {
        return (next - 1 - age + 2 * capacity) % capacity;
    }

    /** Weight of row {@code row} of {@code rows}, oldest first. */
    static float rowWeight(int row, int rows, double distanceWeight) {
        double slope = rows == 1 ? 1 : 1 + (distanceWeight - 1) * row / (rows - 1);
        return (float) (slope / rows);
    }

    /** Forgets queries from position {@code length} on. */
    void truncate(int length) {
        int forgotten = 0;
        while (forgotten < count && positions[entry(forgotten)] >= length) {
            forgotten++;
        }
        forget(forgotten);
    }

    /** Empties the newest {@code entries} entries; an empty entry gives no attention, whatever its query. */
    private void forget(int entries) {
        for (int i = 0; i < entries; i++) {
            next = (next - 1 + capacity) % capacity;
            device.write(nothing, logSumExp, next * nothing.byteSize(), nothing.byteSize());
        }
        count = Math.max(0, count - entries);
    }

    IntTable table() {
        return table;
    }

    int blocks() {
        return blocks;
    }

    /** Copies what is remembered from the same layer's window of another sequence, all but the blocks. */
    void shareFrom(QueryWindow other) {
        device.copy(other.logSumExp, 0, logSumExp, 0, logSumExp.byteSize());
        System.arraycopy(other.positions, 0, positions, 0, capacity);
        count = other.count;
        next = other.next;
    }

    /** Drops the window's blocks. */
    void release(Reservation reservation) {
        for (int i = 0; i < blocks; i++) {
            if (table.get(i) != BlockTables.ABSENT) { // absent while suspended
                reservation.release(table.get(i));
                table.set(i, BlockTables.ABSENT);
            }
        }
        count = 0; // what else is to be forgotten, allocate does: giving back must not need the device
    }
}
