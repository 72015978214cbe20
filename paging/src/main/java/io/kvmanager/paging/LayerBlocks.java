package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.ValueTables;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The block tables of one layer of one sequence, and what happens to the blocks in them. How many there are is
 * {@link LayerShape}'s business.
 *
 * <pre>
 * keys      [blocks]            K block of each logical block
 * values    [blocks]            V block, absent once dropped from device memory
 * homes     [blocks]            home of a settled V block behind the sinks, else absent
 * standIns                      what stands in for settled V that is not read
 * positions [slots]             token position of each slot, ascending
 * </pre>
 *
 * A block that another sequence also holds is replaced by a copy before it is written to.
 */
final class LayerBlocks {
    final LayerShape shape;
    final DeviceCount slots;
    final DeviceCount blocks;
    final IntTable keys;
    final IntTable values;
    final IntTable homes;
    final StandIns standIns;
    final ValueTables valueTables;
    final @Nullable QueryWindow queries;
    final int[] positions;
    final FetchTally tally;
    private final BlockPool pool;
    private final HostCopies copies;
    private final AttentionKernels kernels;
    private final BlockEntries entries;
    private final Reservation reservation;
    private final int blockTokens;
    private final int blockBytes;

    LayerBlocks(
            LayerShape shape,
            PagedBackend backend,
            TableLayout.Tables tables,
            FetchTally tally,
            Reservation reservation) {
        this.shape = shape;
        this.tally = tally;
        this.slots = tables.slots();
        this.blocks = tables.blocks();
        this.keys = tables.keys();
        this.values = tables.values();
        this.homes = tables.homes();
        this.queries = tables.queryWindow(backend);
        this.pool = backend.pool();
        this.copies = backend.copies();
        this.kernels = backend.kernels();
        this.reservation = reservation;
        this.entries = new BlockEntries(pool, copies, reservation);
        this.standIns = new StandIns(shape, tables.summaries(), tables.codes(), backend.tier(), entries);
        this.valueTables =
                new ValueTables(blocks, values, homes, tables.summaryBlocks(), standIns.summaries, standIns.codes);
        this.blockTokens = backend.geometry().blockTokens();
        this.blockBytes = backend.geometry().blockBytes();
        this.positions = new int[backend.config().maxSequenceTokens()];
        for (IntTable table : List.of(keys, values, homes)) {
            table.fill(0, table.size(), ABSENT);
        }
        publish();
    }

    int kept() {
        return shape.kept();
    }

    int[] positions() {
        return Arrays.copyOf(positions, shape.kept());
    }

    // ---- what a step can need beyond LayerShape's count: copies of shared blocks ----

    /** Blocks to copy when {@code tokens} tokens are appended and, after them, windows are pruned. */
    int sharedBlocks(int tokens, int recent) {
        int shared = 0;
        int kept = shape.kept();
        boolean prunes = shape.pruneDueAfter(tokens, recent);
        int from = prunes ? shape.frontier() / blockTokens : kept / blockTokens;
        for (int block = from; block < shape.blocks(); block++) {
            shared += entries.shared(keys, block) + entries.shared(values, block);
        }
        if (shape.settledAtMost(tokens) > shape.settledBlocks()) {
            shared += standIns.shared(shape.settledBlocks());
        }
        if (queries != null && kept > 0) {
            boolean all = tokens > 1;
            for (int i = 0; i < queries.blocks(); i++) {
                boolean written = all || (i >= queries.firstWrittenBlock() && i <= queries.lastWrittenBlock());
                shared += written ? entries.shared(queries.table(), i) : 0;
            }
        }
        return shared;
    }

    // ---- appending ----

    /** Makes room for {@code rows} tokens; {@code tokenPositions[from + i]} is the position of row i. */
    void extend(int rows, int[] tokenPositions, int from) {
        System.arraycopy(tokenPositions, from, positions, shape.kept(), rows);
        makeRoom(rows);
    }

    /** Makes room for one token and, where queries vote, for its query. */
    void extend(int position) {
        positions[shape.kept()] = position;
        makeRoom(1);
        extendQueries(position);
    }

    private void makeRoom(int rows) {
        int first = shape.kept();
        int block = shape.blocks();
        shape.append(rows); // first, so that what a failing device leaves half done is counted and given back
        if (first == 0 && queries != null) {
            queries.allocate(reservation);
        }
        if (first % blockTokens != 0) {
            entries.makeWritable(keys, first / blockTokens, Account.OPEN);
            entries.makeWritable(values, first / blockTokens, Account.OPEN);
        }
        for (; block < shape.blocks(); block++) {
            keys.set(block, reservation.zeroed(Account.OPEN));
            values.set(block, reservation.zeroed(Account.OPEN));
        }
        publish();
    }

    /** Makes room for a query to vote with later. */
    void extendQueries(int position) {
        QueryWindow window = queries;
        if (window != null) {
            for (int i = window.firstWrittenBlock(); i <= window.lastWrittenBlock(); i++) {
                entries.makeWritable(window.table(), i, Account.QUERY_WINDOW);
            }
            window.advance(position);
        }
    }

    /** Stores the rows that room was made for last. */
    void append(MemorySegment k, MemorySegment v, int rows) {
        kernels.append(Role.KEY, keys.memory(), slots, k, rows);
        kernels.append(Role.VALUE, values.memory(), slots, v, rows);
    }

    /** Stores the query that room was made for last. */
    void remember(MemorySegment q, MemorySegment logSumExp) {
        if (queries != null) {
            queries.store(q, logSumExp);
        }
    }

    /** Tells kernels what the shape says. */
    private void publish() {
        slots.set(shape.kept());
        blocks.set(shape.blocks());
        boolean dropped = shape.residentFrom() > shape.sinkBlocks();
        valueTables.summaryBlocks().set(dropped ? standIns.summaryEnd(shape.settledBlocks()) : 0);
    }

    /** Books a block that is no longer settled; what others hold stays as they have it, and is copied if written to. */
    private void reopen(int id) {
        if (pool.references(id) == 1) {
            pool.transfer(id, Account.OPEN);
        }
    }

    // ---- pruning ----

    /** Behind a first prompt: keeps the first {@code count} slots of {@code kept} and gives the rest back. */
    void keepOfPrompt(SelectionWorkspace selection, int count, int recent) {
        int before = shape.blocks();
        if (count < shape.kept()) {
            move(selection, count, 0);
        }
        shape.prompt(count, recent);
        releaseBlocks(shape.blocks(), before);
        publish();
    }

    /**
     * Prunes the window at the frontier.
     *
     * @param selection the first {@code keepers} kept slots are of the window, ascending
     * @param window slots of the window
     */
    void pruneWindow(SelectionWorkspace selection, int keepers, int window) {
        int frontier = shape.frontier();
        int before = shape.blocks();
        int end = shape.kept();
        selection.appendRange(keepers, frontier + window, end);
        int count = keepers + Math.max(0, end - frontier - window);
        for (int block = frontier / blockTokens; block < before; block++) {
            entries.makeWritable(keys, block, Account.OPEN);
            entries.makeWritable(values, block, Account.OPEN);
        }
        move(selection, count, frontier);
        shape.pruned();
        releaseBlocks(shape.blocks(), before);
        publish();
    }

    private void move(SelectionWorkspace selection, int count, int firstSlot) {
        MemorySegment kept = selection.writeKept(count);
        kernels.compact(Role.KEY, keys.memory(), keys.memory(), kept, firstSlot, count);
        kernels.compact(Role.VALUE, values.memory(), values.memory(), kept, firstSlot, count);
        for (int i = 0; i < count; i++) {
            positions[firstSlot + i] = positions[selection.kept()[i]];
        }
    }

    private void releaseBlocks(int from, int to) {
        for (int block = from; block < to; block++) {
            entries.release(keys, block);
            entries.release(values, block);
            releaseHome(block);
        }
    }

    private void releaseHome(int block) {
        int home = homes.get(block);
        if (home != ABSENT) {
            copies.release(home);
            homes.set(block, ABSENT);
        }
    }

    // ---- placement ----

    /** Seals what has settled, writes settled V through to its home, and drops V that left the recent window. */
    void settle() {
        int settled = shape.settledBlocks();
        int now = shape.settle();
        for (int block = settled; block < now; block++) {
            pool.transfer(keys.get(block), Account.SEALED);
            int value = values.get(block);
            pool.transfer(value, Account.SEALED);
            if (shape.offloads() && block >= shape.sinkBlocks()) {
                homes.set(block, reservation.store(value));
                tally.stored(blockBytes);
                standIns.seal(block, value, homes.get(block));
            }
        }
        for (int block = shape.residentFrom(), end = shape.drop(); block < end; block++) {
            entries.release(values, block);
        }
        publish();
    }

    // ---- truncation, forking, closing ----

    /** Slots that hold positions below {@code length}. */
    int slotsBelow(int length) {
        int found = Arrays.binarySearch(positions, 0, shape.kept(), length);
        return found < 0 ? -found - 1 : found;
    }

    /** Blocks of V that a cut to {@code slots} slots must bring back. */
    int blocksToOnboard(int keptSlots) {
        LayerShape after = shape.truncated(keptSlots);
        return Math.max(0, Math.min(shape.residentFrom(), after.blocks()) - after.residentFrom());
    }

    /** Forgets slots from {@code keptSlots} on. */
    void truncate(int keptSlots, int length) {
        int before = shape.blocks();
        int settledBefore = shape.settledBlocks();
        int onboard = shape.truncated(keptSlots).residentFrom();
        for (int end = onboard + blocksToOnboard(keptSlots); onboard < end; onboard++) {
            values.set(onboard, reservation.load(homes.get(onboard), Account.SEALED));
            tally.fetched(blockBytes);
        }
        shape.truncate(keptSlots);
        releaseBlocks(shape.blocks(), before);
        standIns.truncate(settledBefore, shape.settledBlocks());
        for (int block = shape.settledBlocks(); block < shape.blocks(); block++) {
            reopen(keys.get(block));
            reopen(values.get(block));
            releaseHome(block);
        }
        QueryWindow window = queries;
        if (window != null) {
            if (keptSlots == 0 && before > 0) {
                window.release(reservation);
            } else {
                window.truncate(length);
            }
        }
        publish();
    }

    /**
     * Begins a block behind adopted ones with the first rows of a cached one.
     *
     * @param span of one block
     * @param zeroRows F32 zeros in device memory for the other rows: what a stranger has there must not be read
     */
    void copyHead(CachedSpan.Blocks span, int rows, MemorySegment zeroRows) {
        int block = shape.blocks();
        System.arraycopy(span.positions, 0, positions, shape.kept(), rows);
        shape.append(rows); // first, so that what a failing device leaves half done is counted and given back
        keys.set(block, reservation.copyOf(span.keys[0], Account.OPEN));
        if (span.homes[0] == ABSENT) {
            values.set(block, reservation.copyOf(span.values[0], Account.OPEN));
        } else {
            values.set(block, reservation.load(span.homes[0], Account.OPEN));
            tally.fetched(blockBytes);
        }
        kernels.append(Role.KEY, keys.memory(), shape.kept(), zeroRows, blockTokens - rows);
        kernels.append(Role.VALUE, values.memory(), shape.kept(), zeroRows, blockTokens - rows);
    }

    /** Behind the adoption of a prefix: takes what a layer with tokens has beside its blocks. */
    void adopted(int length) {
        if (queries != null) {
            queries.allocate(reservation);
        }
        truncate(shape.kept(), length);
        if (shape.standIns().any()) {
            sealAgain();
        }
    }

    /** Makes what stands in for adopted blocks: what others have of it lies in blocks that they go on to write. */
    private void sealAgain() {
        for (int block = shape.sinkBlocks(); block < shape.settledBlocks(); block++) {
            int value = values.get(block);
            if (value != ABSENT) {
                standIns.seal(block, value, homes.get(block));
            } else {
                int passing = reservation.load(homes.get(block), Account.OPEN);
                tally.fetched(blockBytes);
                try {
                    standIns.seal(block, passing, homes.get(block));
                } finally {
                    reservation.release(passing); // promised again, for the next
                }
            }
        }
        publish();
    }

    /** Drops an entry's block for another with the same content; the reference to that is the caller's gift. */
    void swap(IntTable table, int entry, int id) {
        reservation.release(table.get(entry));
        table.set(entry, id);
    }

    int blockTokens() {
        return blockTokens;
    }

    /** Gives everything back. */
    void release() {
        truncate(0, 0);
    }

    /** Adds this layer's references to the recounts, for audits. */
    void count(int[] blockReferences, int[] homeReferences) {
        countEntries(keys, shape.blocks(), blockReferences);
        countEntries(values, shape.blocks(), blockReferences);
        countEntries(standIns.summaries, standIns.summaryEnd(shape.settledBlocks()), blockReferences);
        countEntries(standIns.codes, standIns.codeEnd(shape.settledBlocks()), blockReferences);
        countEntries(homes, shape.blocks(), homeReferences);
        if (queries != null && shape.kept() > 0) {
            countEntries(queries.table(), queries.blocks(), blockReferences);
        }
    }

    private static void countEntries(IntTable table, int entries, int[] references) {
        for (int entry = 0; entry < entries; entry++) {
            int id = table.get(entry);
            if (id != ABSENT) {
                references[id]++;
            }
        }
    }
}
