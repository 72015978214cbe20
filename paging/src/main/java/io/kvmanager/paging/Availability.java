package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.Ledger;
import io.kvmanager.TierBytes;
import io.kvmanager.spi.ValueTier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What both tiers have left, and the exception that says what they lack. */
final class Availability {
    private final BlockPool pool;
    private final ValueTier tier;
    private final CacheGeometry geometry;
    private final Supplier<Ledger> ledger;
    private final @Nullable PrefixSharing prefixes;

    Availability(
            BlockPool pool,
            ValueTier tier,
            CacheGeometry geometry,
            Supplier<Ledger> ledger,
            @Nullable PrefixSharing prefixes) {
        this.pool = pool;
        this.tier = tier;
        this.geometry = geometry;
        this.ledger = ledger;
        this.prefixes = prefixes;
    }

    /** Throws {@link OutOfMemory}, with what is missing in each tier, unless both amounts are there. */
    void require(long blocks, long homes) {
        if (prefixes != null && isShort(blocks, homes) && covers(blocks, homes)) {
            prefixes.reclaim(blocks, homes); // only what will do: a refusal changes nothing
        }
        if (isShort(blocks, homes)) {
            throw new OutOfMemory(bytes(blocks, homes), now(), ledger.get());
        }
    }

    /** Whether both amounts are there, or cached prefixes can make way for them. */
    boolean covers(long blocks, long homes) {
        return !isShort(blocks, homes) || now().deficit(bytes(blocks, homes)).equals(TierBytes.NONE);
    }

    private boolean isShort(long blocks, long homes) {
        return blocks > pool.availableBlocks() || homes > tier.availableBlocks();
    }

    /** What is neither used nor promised, or held by cached prefixes alone. */
    TierBytes now() {
        return prefixes == null
                ? bytes(pool.availableBlocks(), tier.availableBlocks())
                : bytes(
                        pool.availableBlocks() + prefixes.reclaimableBlocks(),
                        tier.availableBlocks() + prefixes.reclaimableHomes());
    }

    /** An amount of blocks and homes, in bytes. */
    TierBytes bytes(long blocks, long homes) {
        return new TierBytes(blocks * geometry.blockBytes(), homes * geometry.blockBytes());
    }
}
