package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.BlockTables;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

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
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

    private final CacheGeometry geometry;
    private final AttentionKernels kernels;
    private final int capacity;
    private final int blocks;
    private final MemorySegment table;
    private final MemorySegment logSumExp;
    private final int[] positions;
    private int count;
    private int next;

    /**
     * Creates an empty window.
     *
     * @param table {@code [blocks]} int32
     * @param logSumExp {@code [capacity][queryHeads]} F32
     */
    QueryWindow(
            CacheGeometry geometry,
            AttentionKernels kernels,
            int capacity,
            MemorySegment table,
            MemorySegment logSumExp) {
        this.geometry = geometry;
        this.kernels = kernels;
        this.capacity = capacity;
        this.blocks = geometry.blocksFor(capacity * geometry.groupSize());
        this.table = table;
        this.logSumExp = logSumExp;
        this.positions = new int[capacity];
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
            int id = reservation.allocate(Account.QUERY_WINDOW);
            kernels.zero(id);
            table.setAtIndex(INT, i, id);
        }
        forget(capacity);
    }

    /** Remembers one query; its blocks must not be shared ({@link #firstWrittenBlock}). */
    void add(MemorySegment q, MemorySegment statistics, int position) {
        int heads = geometry.queryHeads();
        kernels.append(table, next * geometry.groupSize(), q, geometry.groupSize());
        MemorySegment.copy(statistics, 0, logSumExp, 4L * next * heads, 4L * heads);
        positions[next] = position;
        next = (next + 1) % capacity;
        count = Math.min(count + 1, capacity);
    }

    /** First table entry that the next {@link #add} writes to. */
    int firstWrittenBlock() {
        return next * geometry.groupSize() / geometry.blockTokens();
    }

    /** Last table entry that the next {@link #add} writes to. */
    int lastWrittenBlock() {
        return ((next + 1) * geometry.groupSize() - 1) / geometry.blockTokens();
    }

    /** Reads the queries to {@code q}, {@code [capacity][queryHeads][headSize]}, in ring order; empty ones as 0. */
    void read(MemorySegment q) {
        kernels.read(table, 0, q, capacity * geometry.groupSize());
    }

    /**
     * Weights of the stored queries, in ring order: linear from 1 for the oldest to {@code distanceWeight} for the
     * newest, over their number; 0 for empty entries.
     */
    void weights(double distanceWeight, MemorySegment rowWeights) {
        for (int entry = 0; entry < capacity; entry++) {
            rowWeights.setAtIndex(FLOAT, entry, 0);
        }
        for (int age = 0; age < count; age++) {
            int entry = (next - 1 - age + 2 * capacity) % capacity;
            rowWeights.setAtIndex(FLOAT, entry, rowWeight(count - 1 - age, count, distanceWeight));
        }
    }

    /** Weight of row {@code row} of {@code rows}, oldest first. */
    static float rowWeight(int row, int rows, double distanceWeight) {
        double slope = rows == 1 ? 1 : 1 + (distanceWeight - 1) * row / (rows - 1);
        return (float) (slope / rows);
    }

    /** Forgets queries from position {@code length} on. */
    void truncate(int length) {
        int forgotten = 0;
        while (forgotten < count && positions[(next - 1 - forgotten + capacity) % capacity] >= length) {
            forgotten++;
        }
        forget(forgotten);
    }

    /** Empties the newest {@code entries} entries; an empty entry gives no attention, whatever its query. */
    private void forget(int entries) {
        for (int i = 0; i < entries; i++) {
            next = (next - 1 + capacity) % capacity;
            for (int head = 0; head < geometry.queryHeads(); head++) {
                logSumExp.setAtIndex(FLOAT, (long) next * geometry.queryHeads() + head, Float.MAX_VALUE);
            }
        }
        count = Math.max(0, count - entries);
    }

    MemorySegment table() {
        return table;
    }

    int blocks() {
        return blocks;
    }

    /** Copies what is remembered from the same layer's window of another sequence; the blocks are shared. */
    void shareFrom(QueryWindow other) {
        MemorySegment.copy(other.table, 0, table, 0, 4L * blocks);
        MemorySegment.copy(other.logSumExp, 0, logSumExp, 0, logSumExp.byteSize());
        System.arraycopy(other.positions, 0, positions, 0, capacity);
        count = other.count;
        next = other.next;
    }

    /** Drops the window's blocks. */
    void release(Reservation reservation) {
        for (int i = 0; i < blocks; i++) {
            reservation.release(table.getAtIndex(INT, i));
            table.setAtIndex(INT, i, BlockTables.ABSENT);
        }
        forget(capacity);
    }
}
