package io.kvmanager.paging;

/**
 * A request's whole prefix as the eviction orders see it. One object is filled again for every request, so an order
 * keeps nothing of it.
 */
final class UsedPrefix {
    private final int[] entries;
    private final DigestTable table;
    private int blocks;
    private int hits;
    private int priority;
    private long arrivedMillis;
    private long closedMillis;

    UsedPrefix(int longest, DigestTable table) {
        entries = new int[longest];
        this.table = table;
    }

    /** Fills it from the last entry of a prefix upwards. */
    void fill(PrefixLease lease, int[] parents, long nowMillis) {
        blocks = lease.blocks();
        hits = lease.hits();
        priority = lease.priority();
        arrivedMillis = lease.arrivedMillis();
        closedMillis = nowMillis;
        int entry = lease.deepest();
        for (int i = blocks - 1; i >= 0; i--) {
            entries[i] = entry;
            entry = parents[entry];
        }
    }

    /** The entry of block {@code block}, 0 for the first of the prefix. */
    int entry(int block) {
        return entries[block];
    }

    /** First long of the digest of block {@code block}. */
    long fingerprint(int block) {
        return table.fingerprint(entries[block]);
    }

    /** Blocks of the prefix. */
    int blocks() {
        return blocks;
    }

    /** How many of them were cached when the request arrived; the rest is new. */
    int hits() {
        return hits;
    }

    /** What the caller said of the request: 0 or more, larger is kept longer. */
    int priority() {
        return priority;
    }

    long arrivedMillis() {
        return arrivedMillis;
    }

    long closedMillis() {
        return closedMillis;
    }
}
