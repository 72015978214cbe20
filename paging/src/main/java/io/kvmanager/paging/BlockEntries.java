package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.IntTable;

/** What one sequence's step does with entries of block tables: a shared block is copied before it is written to. */
final class BlockEntries {
    private final BlockPool pool;
    private final HostCopies copies;
    private final Reservation reservation;

    BlockEntries(BlockPool pool, HostCopies copies, Reservation reservation) {
        this.pool = pool;
        this.copies = copies;
        this.reservation = reservation;
    }

    /** A zeroed block of the reservation. */
    int zeroed(Account account) {
        return reservation.zeroed(account);
    }

    /** Readies an entry's block for writing. */
    void makeWritable(IntTable table, int entry, Account account) {
        int id = table.get(entry);
        if (pool.references(id) > 1) {
            int copy = reservation.copyOf(id, account);
            reservation.release(id);
            table.set(entry, copy);
        } else {
            copies.unlink(id);
            pool.transfer(id, account);
        }
    }

    /** Copies that a write to an entry may take, 0 or 1; if none, nobody comes to share its block before the write. */
    int shared(IntTable table, int entry) {
        if (entry >= table.size()) {
            return 0;
        }
        int id = table.get(entry);
        boolean shared = id != ABSENT && pool.references(id) > 1;
        if (id != ABSENT && !shared) {
            copies.unlink(id);
        }
        return shared ? 1 : 0;
    }

    /** Empties an entry. */
    void release(IntTable table, int entry) {
        int id = table.get(entry);
        if (id != ABSENT) {
            reservation.release(id);
            table.set(entry, ABSENT);
        }
    }
}
