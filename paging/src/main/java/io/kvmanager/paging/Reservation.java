package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.Ledger;
import io.kvmanager.Ledger.Account;
import io.kvmanager.Tier;
import io.kvmanager.spi.ValueTier;
import java.util.function.Supplier;

/**
 * What one sequence's step was promised, in both tiers: taken before the step or not at all, drawn from while it runs,
 * and given back at its end. A block that the step frees is promised to it again, because a prompt needs in its deeper
 * layers what it freed in the earlier ones.
 */
final class Reservation {
    private final BlockPool pool;
    private final ValueTier tier;
    private final CacheGeometry geometry;
    private final Supplier<Ledger> ledger;
    private int blocks;
    private int homes;
    private boolean open;

    Reservation(BlockPool pool, ValueTier tier, CacheGeometry geometry, Supplier<Ledger> ledger) {
        this.pool = pool;
        this.tier = tier;
        this.geometry = geometry;
        this.ledger = ledger;
    }

    /** Takes both amounts or throws {@link OutOfMemory} and changes nothing. */
    void begin(int neededBlocks, int neededHomes) {
        if (!pool.tryReserve(neededBlocks)) {
            throw shortage(Tier.DEVICE, neededBlocks, pool.availableBlocks(), "deviceBytes");
        }
        if (!tier.tryReserve(neededHomes)) {
            pool.unreserve(neededBlocks);
            throw shortage(Tier.HOST, neededHomes, tier.availableBlocks(), "hostBytes");
        }
        blocks = neededBlocks;
        homes = neededHomes;
        open = true;
    }

    private OutOfMemory shortage(Tier where, int needed, int available, String setting) {
        long bytes = geometry.blockBytes();
        return new OutOfMemory(where, needed * bytes, available * bytes, setting, ledger.get());
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
        pool.unreserve(blocks);
        tier.unreserve(homes);
        blocks = 0;
        homes = 0;
        open = false;
    }
}
