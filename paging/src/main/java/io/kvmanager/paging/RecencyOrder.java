package io.kvmanager.paging;

/** Least recently used first: {@code lru}. */
final class RecencyOrder implements EvictionOrder {
    private final EntryLists lists;

    RecencyOrder(int entries) {
        lists = new EntryLists(entries, 1);
    }

    @Override
    public void used(UsedPrefix prefix) {}

    @Override
    public void enter(int entry) {
        lists.add(0, entry);
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
        return lists.oldest(0);
    }

    @Override
    public boolean holds(int entry) {
        return lists.holds(entry);
    }
}
