package io.kvmanager.paging;

/**
 * W-TinyLFU, {@code w-tinylfu}, in the manner of Caffeine: a newcomer stays only if it was seen more often than the
 * one it would replace.
 *
 * <p>New entries wait in a window of 1 % of the cache, in order of use. Behind it lies a segmented LRU: probation and,
 * for what is hit there, a protected fifth to four fifths. When the window is too long, its oldest entry and the oldest
 * on probation are compared by {@link FrequencySketch}; the less frequent is the victim, and a winner from the window
 * goes on probation. Frequencies are of blocks, counted per request.
 */
final class FrequencyOrder implements EvictionOrder {
    private static final byte WINDOW = 0;
    private static final byte PROBATION = 1;
    private static final byte PROTECTED = 2;
    private static final double WINDOW_SHARE = .01;
    private static final double PROTECTED_SHARE = .8;

    private final EntryLists lists;
    private final FrequencySketch sketch;
    private final byte[] segment;
    private final long[] fingerprint;
    private final int cachedBlocks;
    private final int windowLimit;
    private final int protectedLimit;

    /**
     * @param entries entries of the index
     * @param cachedBlocks entries that stay cached
     */
    FrequencyOrder(int entries, int cachedBlocks) {
        this.cachedBlocks = cachedBlocks;
        lists = new EntryLists(entries, 3);
        sketch = new FrequencySketch(cachedBlocks);
        segment = new byte[entries];
        fingerprint = new long[entries];
        windowLimit = Math.max(1, (int) (cachedBlocks * WINDOW_SHARE));
        protectedLimit = (int) ((cachedBlocks - windowLimit) * PROTECTED_SHARE);
    }

    @Override
    public void used(UsedPrefix prefix) {
        for (int i = 0; i < prefix.blocks(); i++) {
            int entry = prefix.entry(i);
            fingerprint[entry] = prefix.fingerprint(i);
            sketch.increment(fingerprint[entry]);
            if (i >= prefix.hits()) {
                segment[entry] = WINDOW;
            } else if (segment[entry] == PROBATION) {
                segment[entry] = PROTECTED;
            }
        }
    }

    @Override
    public void enter(int entry) {
        lists.add(segment[entry], entry);
        if (lists.length(PROTECTED) > protectedLimit) {
            move(lists.oldest(PROTECTED), PROBATION);
        }
        int cached = lists.length(WINDOW) + lists.length(PROBATION) + lists.length(PROTECTED);
        if (lists.length(WINDOW) > windowLimit && cached <= cachedBlocks) {
            move(lists.oldest(WINDOW), PROBATION);
        }
    }

    private void move(int entry, byte to) {
        lists.remove(entry);
        segment[entry] = to;
        lists.add(to, entry);
    }

    @Override
    public void pinned(int entry) {
        lists.remove(entry);
    }

    @Override
    public void evicted(int entry, long gone) {
        lists.remove(entry);
    }

    @Override
    public int victim(long nowMillis) {
        int candidate = lists.oldest(WINDOW);
        int incumbent = lists.oldest(PROBATION);
        if (incumbent == NONE) {
            incumbent = lists.oldest(PROTECTED);
        }
        if (candidate == NONE || (incumbent != NONE && lists.length(WINDOW) <= windowLimit)) {
            return incumbent;
        }
        if (incumbent != NONE && sketch.estimate(fingerprint[candidate]) > sketch.estimate(fingerprint[incumbent])) {
            move(candidate, PROBATION);
            return incumbent;
        }
        return candidate;
    }

    @Override
    public boolean holds(int entry) {
        return lists.holds(entry);
    }
}
