package io.kvmanager.paging;

import static io.kvmanager.RetentionPolicy.GENERATION_WINDOW;
import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.ValueTier;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The block tables of one layer of one sequence, and what happens to the blocks in them. How many there are is
 * {@link LayerShape}'s business.
 *
 * <pre>
 * keys      [blocks]            K block of each logical block
 * values    [blocks]            V block, absent once dropped from device memory
 * homes     [blocks]            home of a settled V block behind the sinks, else absent
 * summaries [blocks / blockTokens]   slot b % blockTokens of entry b / blockTokens is the mean of V block b
 * positions [slots]             token position of each slot, ascending
 * </pre>
 *
 * A block that another sequence also holds is replaced by a copy before it is written to.
 */
final class LayerBlocks {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    final LayerShape shape;
    final MemorySegment keys;
    final MemorySegment values;
    final MemorySegment homes;
    final MemorySegment summaries;
    final @Nullable QueryWindow queries;
    private final int[] positions;
    private final BlockPool pool;
    private final ValueTier tier;
    private final AttentionKernels kernels;
    private final Reservation reservation;
    private final int blockTokens;
    private final int blockBytes;

    LayerBlocks(LayerShape shape, PagedBackend backend, TableLayout.Tables tables, Reservation reservation) {
        this.shape = shape;
        this.keys = tables.keys();
        this.values = tables.values();
        this.homes = tables.homes();
        this.summaries = tables.summaries();
        this.queries = tables.queryWindow(backend, shape.layer);
        this.pool = backend.pool();
        this.tier = backend.tier();
        this.kernels = backend.kernels();
        this.reservation = reservation;
        this.blockTokens = backend.geometry().blockTokens();
        this.blockBytes = backend.geometry().blockBytes();
        this.positions = new int[backend.config().maxSequenceTokens()];
        for (MemorySegment table : new MemorySegment[] {keys, values, homes, summaries}) {
            table.fill((byte) 0xff); // ABSENT is all ones
        }
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
            shared += shared(keys, block) + shared(values, block);
        }
        if (shape.summarises() && shape.settledAtMost(tokens) > shape.settledBlocks()) {
            shared += shared(summaries, shape.settledBlocks() / blockTokens);
        }
        if (queries != null && kept > 0) {
            boolean all = tokens > 1;
            for (int i = 0; i < queries.blocks(); i++) {
                boolean written = all || (i >= queries.firstWrittenBlock() && i <= queries.lastWrittenBlock());
                shared += written ? shared(queries.table(), i) : 0;
            }
        }
        return shared;
    }

    private int shared(MemorySegment table, int entry) {
        if (4L * entry >= table.byteSize()) {
            return 0;
        }
        int id = table.getAtIndex(INT, entry);
        return id != ABSENT && pool.references(id) > 1 ? 1 : 0;
    }

    // ---- appending ----

    /** Appends {@code rows} tokens; {@code tokenPositions[i]} is the position of row i. */
    void append(MemorySegment k, MemorySegment v, int rows, int[] tokenPositions) {
        int first = shape.kept();
        System.arraycopy(tokenPositions, 0, positions, first, rows);
        appendRows(k, v, rows);
    }

    /** Appends one token. */
    void append(MemorySegment k, MemorySegment v, int position) {
        positions[shape.kept()] = position;
        appendRows(k, v, 1);
    }

    private void appendRows(MemorySegment k, MemorySegment v, int rows) {
        int first = shape.kept();
        if (first == 0 && queries != null) {
            queries.allocate(reservation);
        }
        if (first % blockTokens != 0) {
            makeWritable(keys, first / blockTokens, Account.OPEN);
            makeWritable(values, first / blockTokens, Account.OPEN);
        }
        for (int block = shape.blocks(); block < shape.blocksFor(first + rows); block++) {
            keys.setAtIndex(INT, block, zeroed(Account.OPEN));
            values.setAtIndex(INT, block, zeroed(Account.OPEN));
            homes.setAtIndex(INT, block, ABSENT);
        }
        kernels.append(keys, first, k, rows);
        kernels.append(values, first, v, rows);
        shape.append(rows);
    }

    private int zeroed(Account account) {
        int id = reservation.allocate(account);
        kernels.zero(id);
        return id;
    }

    private void makeWritable(MemorySegment table, int entry, Account account) {
        int id = table.getAtIndex(INT, entry);
        if (pool.references(id) > 1) {
            int copy = reservation.allocate(account);
            kernels.copyBlock(id, copy);
            reservation.release(id);
            table.setAtIndex(INT, entry, copy);
        }
    }

    /** Remembers a query to vote with later. */
    void remember(MemorySegment q, MemorySegment logSumExp, int position) {
        QueryWindow window = queries;
        if (window != null) {
            for (int i = window.firstWrittenBlock(); i <= window.lastWrittenBlock(); i++) {
                makeWritable(window.table(), i, Account.QUERY_WINDOW);
            }
            window.add(q, logSumExp, position);
        }
    }

    // ---- pruning ----

    /** Behind a first prompt: keeps the {@code count} slots in {@code kept} and gives the rest back. */
    void keepOfPrompt(MemorySegment kept, int count, int recent) {
        int before = shape.blocks();
        if (count < shape.kept()) {
            move(kept, count, 0);
        }
        shape.prompt(count, recent);
        releaseBlocks(shape.blocks(), before);
    }

    /**
     * Prunes the window of 16 tokens at the frontier.
     *
     * @param kept {@code keepers} slots of the window, ascending; room for all slots behind it
     */
    void pruneWindow(MemorySegment kept, int keepers) {
        int frontier = shape.frontier();
        int before = shape.blocks();
        int end = shape.kept();
        int count = keepers;
        for (int slot = frontier + GENERATION_WINDOW; slot < end; slot++) {
            kept.setAtIndex(INT, count++, slot);
        }
        for (int block = frontier / blockTokens; block < before; block++) {
            makeWritable(keys, block, Account.OPEN);
            makeWritable(values, block, Account.OPEN);
        }
        move(kept, count, frontier);
        shape.pruned();
        releaseBlocks(shape.blocks(), before);
    }

    private void move(MemorySegment kept, int count, int firstSlot) {
        kernels.compact(keys, keys, kept, firstSlot, count);
        kernels.compact(values, values, kept, firstSlot, count);
        for (int i = 0; i < count; i++) {
            positions[firstSlot + i] = positions[kept.getAtIndex(INT, i)];
        }
    }

    private void releaseBlocks(int from, int to) {
        for (int block = from; block < to; block++) {
            releaseEntry(keys, block);
            releaseEntry(values, block);
            releaseHome(block);
        }
    }

    private void releaseEntry(MemorySegment table, int entry) {
        int id = table.getAtIndex(INT, entry);
        if (id != ABSENT) {
            reservation.release(id);
            table.setAtIndex(INT, entry, ABSENT);
        }
    }

    private void releaseHome(int block) {
        int home = homes.getAtIndex(INT, block);
        if (home != ABSENT) {
            tier.release(home);
            homes.setAtIndex(INT, block, ABSENT);
        }
    }

    // ---- placement ----

    /** Seals what has settled, writes settled V through to its home, and drops V that left the recent window. */
    void settle(FetchTally tally) {
        int settled = shape.settledBlocks();
        int now = shape.settle();
        for (int block = settled; block < now; block++) {
            pool.transfer(keys.getAtIndex(INT, block), Account.SEALED);
            int value = values.getAtIndex(INT, block);
            pool.transfer(value, Account.SEALED);
            if (shape.offloads() && block >= shape.sinkBlocks()) {
                homes.setAtIndex(INT, block, reservation.store(value));
                tally.stored(blockBytes);
                if (shape.summarises()) {
                    summarise(block, value);
                }
            }
        }
        for (int block = shape.residentFrom(), end = shape.drop(); block < end; block++) {
            releaseEntry(values, block);
        }
    }

    private void summarise(int block, int valueBlock) {
        int entry = block / blockTokens;
        if (summaries.getAtIndex(INT, entry) == ABSENT) {
            summaries.setAtIndex(INT, entry, zeroed(Account.SUMMARY));
        } else {
            makeWritable(summaries, entry, Account.SUMMARY);
        }
        kernels.summarise(valueBlock, summaries.getAtIndex(INT, entry), block % blockTokens);
    }

    // ---- truncation, forking, closing ----

    /** Slots that hold positions below {@code length}. */
    int slotsBelow(int length) {
        int found = Arrays.binarySearch(positions, 0, shape.kept(), length);
        return found < 0 ? -found - 1 : found;
    }

    /** Blocks of V that a cut to {@code slots} slots must bring back. */
    int blocksToOnboard(int slots) {
        LayerShape after = shape.truncated(slots);
        return Math.max(0, Math.min(shape.residentFrom(), after.blocks()) - after.residentFrom());
    }

    /** Forgets slots from {@code slots} on. */
    void truncate(int slots, int length, FetchTally tally) {
        int before = shape.blocks();
        int residentFrom = shape.residentFrom();
        int summariesBefore = shape.summaryEnd();
        shape.truncate(slots);
        for (int block = shape.residentFrom(); block < Math.min(residentFrom, shape.blocks()); block++) {
            int id = reservation.allocate(Account.SEALED);
            tier.load(homes.getAtIndex(INT, block), id);
            tally.fetched(blockBytes);
            values.setAtIndex(INT, block, id);
        }
        releaseBlocks(shape.blocks(), before);
        for (int entry = shape.summaryEnd(); entry < summariesBefore; entry++) {
            releaseEntry(summaries, entry);
        }
        for (int block = shape.settledBlocks(); block < shape.blocks(); block++) {
            pool.transfer(keys.getAtIndex(INT, block), Account.OPEN);
            pool.transfer(values.getAtIndex(INT, block), Account.OPEN);
            releaseHome(block);
        }
        QueryWindow window = queries;
        if (window != null) {
            if (slots == 0 && before > 0) {
                window.release(reservation);
            } else {
                window.truncate(length);
            }
        }
    }

    /** Takes the same blocks as {@code other}, with a reference each. */
    void shareFrom(LayerBlocks other) {
        int blocks = shape.blocks();
        System.arraycopy(other.positions, 0, positions, 0, shape.kept());
        share(other.keys, keys, blocks);
        share(other.values, values, blocks);
        share(other.summaries, summaries, shape.summaryEnd());
        for (int block = 0; block < blocks; block++) {
            int home = other.homes.getAtIndex(INT, block);
            homes.setAtIndex(INT, block, home);
            if (home != ABSENT) {
                tier.retain(home);
            }
        }
        if (queries != null && other.queries != null && shape.kept() > 0) {
            queries.shareFrom(other.queries);
            share(other.queries.table(), queries.table(), queries.blocks());
        }
    }

    private void share(MemorySegment from, MemorySegment to, int entries) {
        for (int entry = 0; entry < entries; entry++) {
            int id = from.getAtIndex(INT, entry);
            to.setAtIndex(INT, entry, id);
            if (id != ABSENT) {
                pool.retain(id);
            }
        }
    }

    /** Gives everything back. */
    void release() {
        truncate(0, 0, new FetchTally());
    }

    /** Adds this layer's references to the recounts, for audits. */
    void count(int[] blockReferences, int[] homeReferences) {
        countEntries(keys, shape.blocks(), blockReferences);
        countEntries(values, shape.blocks(), blockReferences);
        countEntries(summaries, shape.summaryEnd(), blockReferences);
        countEntries(homes, shape.blocks(), homeReferences);
        if (queries != null && shape.kept() > 0) {
            countEntries(queries.table(), queries.blocks(), blockReferences);
        }
    }

    private static void countEntries(MemorySegment table, int entries, int[] references) {
        for (int entry = 0; entry < entries; entry++) {
            int id = table.getAtIndex(INT, entry);
            if (id != ABSENT) {
                references[id]++;
            }
        }
    }
}
