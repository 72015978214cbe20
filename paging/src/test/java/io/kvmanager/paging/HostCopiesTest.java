package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Ledger.Account;
import io.kvmanager.Tier;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Links between blocks and homes with the same bytes, and what ends them; and what the books say of it. */
class HostCopiesTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(1, 2, 2, 4, 4, ElementType.F32);
    private static final long BLOCK_BYTES = 2 * 4 * 4 * 4;
    private static final int BLOCKS = 5;
    private static final int HOMES = 4;

    private final PagedBackend backend = Backends.open(GEOMETRY, BLOCKS, HOMES);
    private final BlockPool pool = backend.pool();
    private final HostCopies copies = backend.copies();
    private final Reservation reservation = Backends.reservation(backend);
    private int block;
    private int home;

    /** A block and the home that it was copied to. */
    @BeforeEach
    void store() {
        reservation.begin(2, 2);
        block = reservation.zeroed(Account.OPEN);
        home = copies.store(block, reservation);
        copies.link(block, home);
    }

    @AfterEach
    void close() {
        backend.close();
    }

    @Test
    void eachSideFindsTheOther() {
        assertEquals(home, copies.homeOf(block));
        assertEquals(block, copies.blockOf(home));
        int other = reservation.zeroed(Account.OPEN);
        assertEquals(ABSENT, copies.homeOf(other));
        assertEquals(ABSENT, copies.blockOf((home + 1) % HOMES));
    }

    @Test
    void referencesAreTakenForTheCaller() {
        assertEquals(home, copies.retainHome(block, ABSENT));
        assertEquals(2, backend.tier().references(home));
        copies.release(home);
        assertEquals(1, backend.tier().references(home));
        assertEquals(block, copies.retainBlock(home));
        assertEquals(2, pool.references(block));
        copies.releaseBlock(block);
        assertEquals(1, pool.references(block));
        int other = reservation.zeroed(Account.OPEN);
        assertEquals(ABSENT, copies.retainHome(other, ABSENT));
        assertEquals(home, copies.retainHome(other, home), "it was written through to that");
        copies.unlink(block);
        assertEquals(ABSENT, copies.retainBlock(home));
        assertEquals(1, pool.references(block));
    }

    @Test
    void writingEndsALink() {
        copies.unlink(block);
        assertEquals(ABSENT, copies.homeOf(block));
        assertEquals(ABSENT, copies.blockOf(home));
    }

    @Test
    void aLinkToAnotherBlockEndsTheFirst() {
        int other = copies.load(home, Account.SEALED, reservation);
        copies.link(other, home);
        assertEquals(ABSENT, copies.homeOf(block));
        assertEquals(home, copies.homeOf(other));
        assertEquals(other, copies.blockOf(home));
    }

    @Test
    void aFreedBlockIsNoCopyWhoeverHasItNext() {
        reservation.end();
        reservation.release(block);
        assertEquals(ABSENT, copies.blockOf(home));
        reservation.begin(BLOCKS, 0);
        for (int i = 0; i < BLOCKS; i++) {
            assertEquals(ABSENT, copies.homeOf(reservation.zeroed(Account.OPEN)));
        }
    }

    @Test
    void aFreedHomeIsNoCopyEither() {
        assertEquals(1, copies.suspendedHomes());
        backend.tier().retain(home);
        copies.release(home);
        assertEquals(1, copies.suspendedHomes());
        assertEquals(home, copies.homeOf(block));
        copies.release(home);
        assertEquals(0, copies.suspendedHomes());
        assertEquals(ABSENT, copies.homeOf(block));
        int again = reservation.store(block);
        assertEquals(0, copies.suspendedHomes(), "written through");
        copies.release(again);
        assertEquals(0, copies.suspendedHomes());
    }

    @Test
    void anAuditNamesWhatDoesNotAddUp() {
        assertEquals(List.of(), copies.audit());
        backend.tier().release(home); // and not through the copies
        assertEquals(List.of("home " + home + " is free and still known as a copy"), copies.audit());
    }

    @Test
    void theBooksSayWhereEverythingIs() {
        assertEquals(BLOCKS * BLOCK_BYTES, backend.ledger().capacityBytes(Tier.DEVICE));
        assertEquals(HOMES * BLOCK_BYTES, backend.ledger().capacityBytes(Tier.HOST));
        int through = reservation.store(block);
        assertEquals(BLOCK_BYTES, backend.ledger().bytes(Tier.DEVICE, Account.OPEN));
        assertEquals(BLOCK_BYTES, backend.ledger().bytes(Tier.HOST, Account.SUSPENDED));
        assertEquals(BLOCK_BYTES, backend.ledger().bytes(Tier.HOST, Account.SEALED));
        assertEquals((HOMES - 2) * BLOCK_BYTES, backend.ledger().bytes(Tier.HOST, Account.FREE));
        long beside = backend.device().allocatedBytes(Tier.DEVICE) - BLOCKS * BLOCK_BYTES;
        reservation.release(reservation.zeroed(Account.OPEN));
        assertEquals(beside + BLOCK_BYTES, backend.memory().deviceBytes());
        assertEquals(beside + 2 * BLOCK_BYTES, backend.memory().deviceBytesPeak());
        assertEquals(beside + BLOCKS * BLOCK_BYTES, backend.memory().deviceBytesAllocated());
        assertEquals(2 * BLOCK_BYTES, backend.memory().hostBytes());
        copies.release(through);
        assertEquals(BLOCK_BYTES, backend.memory().hostBytes());
        assertEquals(2 * BLOCK_BYTES, backend.memory().hostBytesPeak());
        assertEquals(HOMES * BLOCK_BYTES, backend.memory().hostBytesAllocated());
    }

    @Test
    void theBooksMissWhatNoSequenceHolds() {
        reservation.end();
        List<String> found = backend.audit();
        assertEquals(2, found.size(), found::toString);
        assertEquals("home " + home + " has 1 references, its owners hold 0", found.get(1));
        copies.release(home);
        reservation.release(block);
        assertEquals(List.of(), backend.audit());
    }
}
