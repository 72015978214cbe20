package io.kvmanager.paging;

import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.PrefixCache;
import java.util.List;

/**
 * The prefix index over a block pool, with no memory behind the blocks. The pool has room for what is cached and for
 * the blocks of one request beside it; when the request is done, the index evicts down to what may stay cached.
 */
final class MetadataPrefixCache implements PrefixCache {
    private final int cachedBlocks;
    private final BlockPool pool;
    private final PrefixIndex index;
    private final int[] requestBlocks;
    private long nowMillis;
    private long evictedBlocks;

    MetadataPrefixCache(EvictionOrder order, int cachedBlocks, int longestRequestBlocks) {
        this.cachedBlocks = cachedBlocks;
        int blocks = entries(cachedBlocks, longestRequestBlocks);
        pool = new BlockPool(blocks);
        index = new PrefixIndex(blocks, order, () -> nowMillis);
        requestBlocks = new int[longestRequestBlocks];
    }

    /** Entries that the index, and so the order, must have room for. */
    static int entries(int cachedBlocks, int longestRequestBlocks) {
        return Math.addExact(cachedBlocks, longestRequestBlocks);
    }

    @Override
    public int serve(long[] digests, int firstBlock, int blocks, int priority, long arrivalMillis) {
        if (blocks > requestBlocks.length) {
            throw new IllegalArgumentException(
                    "request of " + blocks + " blocks; the cache was opened for " + requestBlocks.length);
        }
        nowMillis = Math.max(nowMillis, arrivalMillis);
        int hits;
        try (PrefixLease lease = index.lookup(digests, firstBlock, blocks, priority)) {
            hits = lease.hits();
            if (!pool.tryReserve(blocks - hits)) {
                throw new IllegalStateException("the pool has no room for a request of " + blocks + " blocks");
            }
            lease.copyBlocks(requestBlocks);
            for (int i = 0; i < hits; i++) {
                pool.retain(requestBlocks[i]);
            }
            for (int i = hits; i < blocks; i++) {
                requestBlocks[i] = pool.allocate(Account.OPEN);
                pool.transfer(requestBlocks[i], Account.SEALED);
                pool.retain(requestBlocks[i]); // the index's own reference
                lease.register(digests, (firstBlock + i) * BlockIdentity.DIGEST_LONGS, requestBlocks[i]);
            }
        }
        for (int i = 0; i < blocks; i++) {
            pool.release(requestBlocks[i]);
        }
        while (index.entries() > cachedBlocks) {
            pool.release(index.evict());
            evictedBlocks++;
        }
        return hits;
    }

    @Override
    public int cachedBlocks() {
        return index.entries();
    }

    @Override
    public long evictedBlocks() {
        return evictedBlocks;
    }

    @Override
    public List<String> audit() {
        List<String> found = index.audit();
        if (pool.usedBlocks() != index.entries() || index.pinnedEntries() != 0) {
            found.add(pool.usedBlocks() + " blocks used for " + index.entries() + " entries, " + index.pinnedEntries()
                    + " pinned");
        }
        return found;
    }
}
