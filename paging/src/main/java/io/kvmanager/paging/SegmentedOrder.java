package io.kvmanager.paging;

/**
 * Segmented LRU, {@code slru}: what was used once goes before what was used again.
 *
 * <p>A new entry is on probation. One that is hit is protected; of those there is room for a fixed share of the cache,
 * and the least recently used beyond that goes back to the young end of probation. The oldest on probation is the
 * victim. (Karedla, Love, Wherry: Caching strategies to improve disk system performance, 1994.)
 */
final class SegmentedOrder implements EvictionOrder {
    private static final int PROBATION = 0;
    private static final int PROTECTED = 1;
    private static final double PROTECTED_SHARE = .8;

    private final EntryLists lists;
    private final boolean[] hit;
    private final int protectedLimit;

    /**
     * @param entries entries of the index
     * @param cachedBlocks entries that stay cached
     */
    SegmentedOrder(int entries, int cachedBlocks) {
        lists = new EntryLists(entries, 2);
        hit = new boolean[entries];
        protectedLimit = (int) (cachedBlocks * PROTECTED_SHARE);
    }

    @Override
    public void used(UsedPrefix prefix) {
        for (int i = 0; i < prefix.blocks(); i++) {
            hit[prefix.entry(i)] = i < prefix.hits();
        }
    }

    @Override
    public void enter(int entry) {
        lists.add(hit[entry] ? PROTECTED : PROBATION, entry);
        if (lists.length(PROTECTED) > protectedLimit) {
            int demoted = lists.oldest(PROTECTED);
            lists.remove(demoted);
            lists.add(PROBATION, demoted);
        }
    }

    @Override
    public void pinned(int entry) {
        lists.remove(entry);
    }

    @Override
    public void evicted(int entry, long fingerprint) {
        lists.remove(entry);
    }

    @Override
    public int victim(long nowMillis) {
        int oldest = lists.oldest(PROBATION);
        return oldest == NONE ? lists.oldest(PROTECTED) : oldest;
    }

    @Override
    public boolean holds(int entry) {
        return lists.holds(entry);
    }
}
