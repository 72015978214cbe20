package io.kvmanager.paging;

/**
 * Lowest priority first, within one priority the least recently used: {@code priority}. A priority lasts for a time to
 * live after each use, then the entry counts as one without.
 *
 * <p>One list per priority, each in order of use; as the time to live is one for all, each is in order of expiry too.
 * Priorities above {@link #HIGHEST} count as that.
 */
final class PriorityOrder implements EvictionOrder {
    static final int HIGHEST = 3;

    private final EntryLists lists;
    private final byte[] priority;
    private final long[] usedMillis;
    private final long timeToLiveMillis;

    PriorityOrder(int entries, long timeToLiveMillis) {
        lists = new EntryLists(entries, HIGHEST + 1);
        priority = new byte[entries];
        usedMillis = new long[entries];
        this.timeToLiveMillis = timeToLiveMillis;
    }

    @Override
    public void used(UsedPrefix prefix) {
        byte given = (byte) Math.min(HIGHEST, prefix.priority());
        for (int i = 0; i < prefix.blocks(); i++) {
            int entry = prefix.entry(i);
            priority[entry] = given;
            usedMillis[entry] = prefix.closedMillis();
        }
    }

    @Override
    public void enter(int entry) {
        lists.add(priority[entry], entry);
    }

    @Override
    public void pinned(int entry) {
        lists.remove(entry);
    }

    @Override
    public void evicted(int entry, long fingerprint) {
        lists.remove(entry);
    }

    /** The least recently used of those without priority or past its time; else the oldest of the lowest priority. */
    @Override
    public int victim(long nowMillis) {
        int victim = lists.oldest(0);
        int lowest = NONE;
        for (int level = HIGHEST; level > 0; level--) {
            int oldest = lists.oldest(level);
            if (oldest == NONE) {
                continue;
            }
            lowest = oldest;
            boolean expired = nowMillis - usedMillis[oldest] > timeToLiveMillis;
            if (expired && (victim == NONE || usedMillis[oldest] < usedMillis[victim])) {
                victim = oldest;
            }
        }
        return victim == NONE ? lowest : victim;
    }

    @Override
    public boolean holds(int entry) {
        return lists.holds(entry);
    }
}
