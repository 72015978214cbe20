package io.kvmanager.paging;

/**
 * Which cached block goes first. An order holds exactly the entries that nobody has pinned; it says what it would like
 * to evict, and {@link PrefixIndex} sees to it that descendants go before their ancestors.
 *
 * <p>Calls for a request, at the close of its lease: {@link #used} once, then {@link #enter} for every entry of the
 * prefix that is no longer pinned, last block first. Not thread-safe.
 */
interface EvictionOrder {
    /** No entry. */
    int NONE = -1;

    /** A request has used a prefix; its entries are still pinned. */
    void used(UsedPrefix prefix);

    /** An entry is pinned no longer. */
    void enter(int entry);

    /** An entry was pinned, and so is out of the order's lists. */
    void pinned(int entry);

    /**
     * An entry is evicted.
     *
     * @param fingerprint first long of its digest
     */
    void evicted(int entry, long fingerprint);

    /** The entry to evict, or {@link #NONE}; it stays until {@link #evicted} or {@link #pinned}. */
    int victim(long nowMillis);

    /** Whether the entry is in the order's lists. */
    boolean holds(int entry);
}
