package io.kvmanager.paging;

import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.ValueTier;

/**
 * What one sequence's step was promised, in both tiers: taken before the step or not at all, drawn from while it runs,
 * and given back at its end. A block that the step frees is promised to it again, because a prompt needs in its deeper
 * layers what it freed in the earlier ones.
 */
final class Reservation {
    private final BlockPool pool;
    private final ValueTier tier;
    private final Availability availability;
    private final AttentionKernels kernels;
    private int blocks;
    private int homes;
    private boolean open;

    Reservation(BlockPool pool, ValueTier tier, Availability availability, AttentionKernels kernels) {
        this.pool = pool;
        this.tier = tier;
        this.availability = availability;
        this.kernels = kernels;
    }

    /** Takes both amounts or throws {@link OutOfMemory} and changes nothing. */
    void begin(int neededBlocks, int neededHomes) {
        if (neededBlocks > 0 || neededHomes > 0) { // seldom so for a token
            take(neededBlocks, neededHomes);
        }
        open = true;
    }

    /** Likewise takes blocks, or returns false. */
    boolean tryBegin(int neededBlocks) {
        boolean covered = availability.covers(neededBlocks, 0);
        if (covered) {
            begin(neededBlocks, 0);
        }
        return covered;
    }

    private void take(int neededBlocks, int neededHomes) {
        availability.require(neededBlocks, neededHomes);
        if (!pool.tryReserve(neededBlocks) || !tier.tryReserve(neededHomes)) {
            throw new IllegalStateException("less is available than the tiers say");
        }
        blocks = neededBlocks;
        homes = neededHomes;
    }

    /** A block of the promise, zeroed, with one reference; a block that cannot be written stays promised. */
    int zeroed(Account account) {
        int id = allocate(account);
        try {
            kernels.zero(id);
        } catch (RuntimeException | Error failure) {
            release(id);
            throw failure;
        }
        return id;
    }

    /** Likewise a copy of a block. */
    int copyOf(int blockId, Account account) {
        int id = allocate(account);
        try {
            kernels.copyBlock(blockId, id);
        } catch (RuntimeException | Error failure) {
            release(id);
            throw failure;
        }
        return id;
    }

    /** Likewise a block with a home's bytes. */
    int load(int home, Account account) {
        int id = allocate(account);
        try {
            tier.load(home, id);
        } catch (RuntimeException | Error failure) {
            release(id);
            throw failure;
        }
        return id;
    }

    private int allocate(Account account) {
        if (blocks == 0) {
            throw new IllegalStateException("the step was promised fewer blocks than it needs");
        }
        blocks--;
        return pool.allocate(account);
    }

    /** Drops a reference; a block that becomes free stays promised to an open step. */
    void release(int blockId) {
        if (pool.release(blockId) && open && pool.tryReserve(1)) {
            blocks++;
        }
    }

    /** Writes a block through to a promised home. */
    int store(int blockId) {
        if (homes == 0) {
            throw new IllegalStateException("the step was promised fewer homes than it needs");
        }
        int home = tier.store(blockId);
        homes--; // not before: a store that fails takes no home
        return home;
    }

    /** Gives back what was not used. */
    void end() {
        if (blocks > 0 || homes > 0) {
            pool.unreserve(blocks);
            tier.unreserve(homes);
            blocks = 0;
            homes = 0;
        }
        open = false;
    }
}
