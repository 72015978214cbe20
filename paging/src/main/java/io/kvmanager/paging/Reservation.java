package io.kvmanager.paging;

import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.Ledger.Account;
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
    private int blocks;
    private int homes;
    private boolean open;

    Reservation(BlockPool pool, ValueTier tier, Availability availability) {
        this.pool = pool;
        this.tier = tier;
        this.availability = availability;
    }

    /** Takes both amounts or throws {@link OutOfMemory} and changes nothing. */
    void begin(int neededBlocks, int neededHomes) {
        if (neededBlocks > 0 || neededHomes > 0) { // seldom so for a token
            take(neededBlocks, neededHomes);
        }
        open = true;
    }

    private void take(int neededBlocks, int neededHomes) {
        availability.require(neededBlocks, neededHomes);
        if (!pool.tryReserve(neededBlocks) || !tier.tryReserve(neededHomes)) {
            throw new IllegalStateException("less is available than the tiers say");
        }
        blocks = neededBlocks;
        homes = neededHomes;
    }

    /** A block of the promise, with one reference. */
    int allocate(Account account) {
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
        homes--;
        return tier.store(blockId);
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
