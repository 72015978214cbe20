package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.Ledger;
import io.kvmanager.TierBytes;
import io.kvmanager.spi.ValueTier;
import java.util.function.Supplier;

/** What both tiers have left, and the exception that says what they lack. */
final class Availability {
    private final BlockPool pool;
    private final ValueTier tier;
    private final CacheGeometry geometry;
    private final Supplier<Ledger> ledger;

    Availability(BlockPool pool, ValueTier tier, CacheGeometry geometry, Supplier<Ledger> ledger) {
        this.pool = pool;
        this.tier = tier;
        this.geometry = geometry;
        this.ledger = ledger;
    }

    /** Throws {@link OutOfMemory}, with what is missing in each tier, unless both amounts are there. */
    void require(long blocks, long homes) {
        if (blocks > pool.availableBlocks() || homes > tier.availableBlocks()) {
            throw new OutOfMemory(bytes(blocks, homes), now(), ledger.get());
        }
    }

    /** What is neither used nor promised. */
    TierBytes now() {
        return bytes(pool.availableBlocks(), tier.availableBlocks());
    }

    /** An amount of blocks and homes, in bytes. */
    TierBytes bytes(long blocks, long homes) {
        return new TierBytes(blocks * geometry.blockBytes(), homes * geometry.blockBytes());
    }
}
