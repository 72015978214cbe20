package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.Ledger.Account;
import io.kvmanager.TierBytes;
import io.kvmanager.spi.BlockTables;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.Role;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Promises, what is taken of them, and how entries of a table are made writable. */
class ReservationTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(1, 2, 2, 4, 4, ElementType.F32);
    private static final int BLOCKS = 6;
    private static final int HOMES = 3;
    private static final int ROW = 2 * 4;

    private final PagedBackend backend = Backends.open(GEOMETRY, BLOCKS, HOMES);
    private final BlockPool pool = backend.pool();
    private final HostCopies copies = backend.copies();
    private final Reservation reservation = Backends.reservation(backend);
    private final BlockEntries entries = new BlockEntries(pool, copies, reservation);
    private final IntTable table =
            IntTable.over(MemorySegment.ofArray(new int[] {BlockTables.ABSENT, BlockTables.ABSENT}));

    @AfterEach
    void close() {
        backend.close();
    }

    private void assertLeft(int blocks, int homes) {
        assertEquals(blocks, pool.availableBlocks());
        assertEquals(homes, backend.tier().availableBlocks());
    }

    private float[] rows(int block) {
        float[] rows = new float[4 * ROW];
        MemorySegment read = MemorySegment.ofArray(rows);
        backend.kernels().read(Role.VALUE, MemorySegment.ofArray(new int[] {block}), 0, read, 4);
        return rows;
    }

    private void write(int block, float value) {
        float[] rows = new float[4 * ROW];
        Arrays.fill(rows, value);
        MemorySegment ids = MemorySegment.ofArray(new int[] {block});
        backend.kernels().append(Role.VALUE, ids, 0, MemorySegment.ofArray(rows), 4);
    }

    @Test
    void whatIsPromisedIsTakenAndTheRestGivenBack() {
        reservation.begin(3, 2);
        assertLeft(BLOCKS - 3, HOMES - 2);
        int block = reservation.zeroed(Account.OPEN);
        int home = reservation.store(block);
        assertLeft(BLOCKS - 3, HOMES - 2);
        reservation.end();
        assertLeft(BLOCKS - 1, HOMES - 1);
        reservation.end();
        assertLeft(BLOCKS - 1, HOMES - 1);
        assertEquals(1, pool.blocksIn(Account.OPEN));
        assertEquals(1, backend.tier().references(home));
        reservation.release(block);
        backend.tier().release(home);
        assertLeft(BLOCKS, HOMES);
    }

    @Test
    void whatAStepFreesIsPromisedToItAgain() {
        reservation.begin(1, 0);
        int block = reservation.zeroed(Account.OPEN);
        pool.retain(block);
        reservation.release(block);
        assertThrows(IllegalStateException.class, () -> reservation.zeroed(Account.OPEN), "another still has it");
        reservation.release(block);
        assertLeft(BLOCKS - 1, HOMES);
        reservation.release(reservation.zeroed(Account.OPEN));
        reservation.end();
        assertLeft(BLOCKS, HOMES);
    }

    @Test
    void moreThanThePromiseIsRefused() {
        reservation.begin(1, 1);
        int block = reservation.zeroed(Account.OPEN);
        assertEquals(
                "the step was promised fewer blocks than it needs",
                assertThrows(IllegalStateException.class, () -> reservation.copyOf(block, Account.OPEN))
                        .getMessage());
        reservation.store(block);
        assertEquals(
                "the step was promised fewer homes than it needs",
                assertThrows(IllegalStateException.class, () -> reservation.store(block))
                        .getMessage());
    }

    @Test
    void aShortageOfEitherTierChangesNothing() {
        OutOfMemory blocks = assertThrows(OutOfMemory.class, () -> reservation.begin(BLOCKS + 1, HOMES));
        assertEquals(new TierBytes(GEOMETRY.blockBytes(), 0), blocks.deficit());
        OutOfMemory homes = assertThrows(OutOfMemory.class, () -> reservation.begin(BLOCKS, HOMES + 2));
        assertEquals(new TierBytes(0, 2L * GEOMETRY.blockBytes()), homes.deficit());
        assertFalse(reservation.tryBegin(BLOCKS + 1));
        assertLeft(BLOCKS, HOMES);
        assertTrue(reservation.tryBegin(BLOCKS));
        assertLeft(0, HOMES);
        reservation.end();
        reservation.begin(0, HOMES);
        assertLeft(BLOCKS, 0);
    }

    @Test
    void blocksAreZeroedCopiedAndLoaded() {
        reservation.begin(BLOCKS, 1);
        int block = reservation.zeroed(Account.OPEN);
        write(block, 3);
        int copy = reservation.copyOf(block, Account.SEALED);
        int home = reservation.store(block);
        float[] threes = rows(block);
        assertEquals(3, threes[5]);
        write(block, 4);
        int loaded = reservation.load(home, Account.SUMMARY);
        assertArrayEquals(threes, rows(copy));
        assertArrayEquals(threes, rows(loaded));
        assertEquals(1, pool.blocksIn(Account.SEALED));
        assertEquals(1, pool.blocksIn(Account.SUMMARY));
        for (int id : new int[] {block, copy, loaded}) {
            reservation.release(id);
        }
        for (int i = 0; i < BLOCKS; i++) {
            assertArrayEquals(new float[4 * ROW], rows(reservation.zeroed(Account.OPEN)));
        }
    }

    // ---- entries of tables ----

    @Test
    void aBlockOfOnesOwnIsWrittenInPlace() {
        reservation.begin(2, 1);
        table.set(1, entries.zeroed(Account.SEALED));
        int block = table.get(1);
        int home = reservation.store(block);
        copies.link(block, home);
        assertEquals(home, copies.homeOf(block));
        entries.makeWritable(table, 1, Account.OPEN);
        assertEquals(block, table.get(1));
        assertEquals(1, pool.blocksIn(Account.OPEN));
        assertEquals(BlockTables.ABSENT, copies.homeOf(block), "the home's bytes are others from here on");
    }

    @Test
    void aSharedBlockIsCopiedFirst() {
        reservation.begin(2, 0);
        table.set(1, entries.zeroed(Account.SEALED));
        int block = table.get(1);
        write(block, 5);
        pool.retain(block);
        entries.makeWritable(table, 1, Account.OPEN);
        int copy = table.get(1);
        assertTrue(copy != block);
        assertArrayEquals(rows(block), rows(copy));
        assertEquals(1, pool.references(block));
        assertEquals(1, pool.references(copy));
        assertEquals(1, pool.blocksIn(Account.OPEN));
        entries.release(table, 1);
        assertEquals(BlockTables.ABSENT, table.get(1));
        assertEquals(0, pool.references(copy));
        entries.release(table, 1);
    }

    @Test
    void copiesAreForeseen() {
        reservation.begin(1, 1);
        assertEquals(0, entries.shared(table, 0), "absent");
        assertEquals(0, entries.shared(table, 2), "behind the table");
        table.set(1, entries.zeroed(Account.OPEN));
        int block = table.get(1);
        int home = reservation.store(block);
        copies.link(block, home);
        pool.retain(block);
        assertEquals(1, entries.shared(table, 1));
        assertEquals(home, copies.homeOf(block));
        reservation.release(block);
        assertEquals(0, entries.shared(table, 1));
        assertEquals(BlockTables.ABSENT, copies.homeOf(block), "nobody comes to share it before it is written");
    }
}
