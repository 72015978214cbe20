package io.kvmanager.paging;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * Which full blocks are cached, found by identity. Entries form a forest: a block's parent is the block before it.
 *
 * <pre>
 * entry      0 .. capacity - 1, recycled through a stack
 * table      digest -> entry
 * parent, firstChild, nextSibling, previousSibling   the forest
 * pins       open leases whose prefix contains the entry; a parent has at least as many as each child
 * blockId    the caller's block
 *
 * in the eviction order  <=>  pins = 0
 * </pre>
 *
 * <p>Descendants are evicted before ancestors: from what the order names, {@link #evict} goes down to an entry without
 * children. Pins make that safe, for what hangs below an entry without pins has none either. An order by recency alone
 * always names an entry without children, for no descendant is used later than its ancestor; so its victim costs O(1).
 *
 * <p>Blocks are the caller's: the index neither takes nor frees them. Not thread-safe: the backend's lock guards it.
 */
final class PrefixIndex {
    private static final int NONE = EvictionOrder.NONE;

    private final DigestTable table;
    private final EvictionOrder order;
    private final LongSupplier clockMillis;
    private final UsedPrefix used;
    private final int[] parent;
    private final int[] firstChild;
    private final int[] nextSibling;
    private final int[] previousSibling;
    private final int[] pins;
    private final int[] blockId;
    private final int[] free;
    private int freeCount;
    private int pinnedEntries;

    /**
     * @param capacity entries at most
     * @param order who goes first
     * @param clockMillis the time that leases and the order see; never goes back
     */
    PrefixIndex(int capacity, EvictionOrder order, LongSupplier clockMillis) {
        table = new DigestTable(capacity);
        this.order = order;
        this.clockMillis = clockMillis;
        used = new UsedPrefix(capacity, table);
        parent = new int[capacity];
        firstChild = new int[capacity];
        nextSibling = new int[capacity];
        previousSibling = new int[capacity];
        pins = new int[capacity];
        blockId = new int[capacity];
        Arrays.fill(blockId, NONE);
        free = new int[capacity];
        for (int i = 0; i < capacity; i++) {
            free[i] = capacity - 1 - i;
        }
        freeCount = capacity;
    }

    /** Cached blocks. */
    int entries() {
        return parent.length - freeCount;
    }

    /** Whether {@link #register} needs an {@link #evict} first. */
    boolean isFull() {
        return freeCount == 0;
    }

    /** Cached blocks that a lease holds. */
    int pinnedEntries() {
        return pinnedEntries;
    }

    /** Full blocks of a prompt that may come from the cache: at least one token is left to compute. */
    static int sharableBlocks(int promptTokens, int blockTokens) {
        return (promptTokens - 1) / blockTokens;
    }

    /**
     * Takes a lease on the longest cached prefix of a chain of blocks. Recency, frequency and statistics are as before:
     * they change when the lease is closed.
     *
     * @param digests identities, four longs a block
     * @param firstBlock where the chain starts in {@code digests}, in blocks
     * @param blocks blocks to look for, such as {@link #sharableBlocks}
     * @param priority 0 or more, for orders that look at it
     */
    PrefixLease lookup(long[] digests, int firstBlock, int blocks, int priority) {
        int deepest = NONE;
        int hits = 0;
        while (hits < blocks) {
            int entry = table.find(digests, (firstBlock + hits) * BlockIdentity.DIGEST_LONGS);
            if (entry == DigestTable.ABSENT) {
                break;
            }
            pin(entry);
            deepest = entry;
            hits++;
        }
        return new PrefixLease(this, deepest, hits, priority, clockMillis.getAsLong());
    }

    private void pin(int entry) {
        if (pins[entry]++ == 0) {
            pinnedEntries++;
            order.pinned(entry);
        }
    }

    /** The entry behind {@code above}, made if there is none; one more pin. */
    int register(int above, long[] digest, int offset, int block) {
        int found = table.find(digest, offset);
        if (found != DigestTable.ABSENT) {
            if (parent[found] != above) {
                throw new IllegalArgumentException("the digest belongs to a block behind another prefix");
            }
            pin(found);
            return found;
        }
        if (freeCount == 0) {
            throw new IllegalStateException("all " + parent.length + " entries are used; evict first");
        }
        int entry = free[--freeCount];
        table.insert(entry, digest, offset);
        blockId[entry] = block;
        pins[entry] = 1;
        pinnedEntries++;
        firstChild[entry] = NONE;
        link(entry, above);
        return entry;
    }

    private void link(int entry, int above) {
        parent[entry] = above;
        previousSibling[entry] = NONE;
        nextSibling[entry] = NONE;
        if (above != NONE) {
            int first = firstChild[above];
            nextSibling[entry] = first;
            if (first != NONE) {
                previousSibling[first] = entry;
            }
            firstChild[above] = entry;
        }
    }

    private void unlink(int entry) {
        int before = previousSibling[entry];
        int after = nextSibling[entry];
        if (after != NONE) {
            previousSibling[after] = before;
        }
        if (before != NONE) {
            nextSibling[before] = after;
        } else if (parent[entry] != NONE) {
            firstChild[parent[entry]] = after;
        }
    }

    int blockId(int entry) {
        return blockId[entry];
    }

    void copyBlocks(int deepest, int blocks, int[] blockIds) {
        int entry = deepest;
        for (int i = blocks - 1; i >= 0; i--) {
            blockIds[i] = blockId[entry];
            entry = parent[entry];
        }
    }

    /** Takes the lease's pins away; the order learns of the use and of what is pinned no longer, last block first. */
    void release(PrefixLease lease) {
        used.fill(lease, parent, clockMillis.getAsLong());
        order.used(used);
        for (int i = used.blocks() - 1; i >= 0; i--) {
            int entry = used.entry(i);
            if (--pins[entry] == 0) {
                pinnedEntries--;
                order.enter(entry);
            }
        }
    }

    /** Forgets one cached block that nobody holds and returns its block id, or {@link EvictionOrder#NONE}. */
    int evict() {
        int entry = order.victim(clockMillis.getAsLong());
        if (entry == NONE) {
            return NONE;
        }
        while (firstChild[entry] != NONE) {
            entry = firstChild[entry];
        }
        if (pins[entry] != 0) {
            throw new IllegalStateException("the order named a pinned entry");
        }
        order.evicted(entry, table.fingerprint(entry));
        table.remove(entry);
        unlink(entry);
        int block = blockId[entry];
        blockId[entry] = NONE;
        free[freeCount++] = entry;
        return block;
    }

    /** Recounts the structure; empty where all is well. */
    List<String> audit() {
        List<String> found = new ArrayList<>();
        boolean[] isFree = new boolean[parent.length];
        for (int i = 0; i < freeCount; i++) {
            isFree[free[i]] = true;
        }
        int pinned = 0;
        for (int entry = 0; entry < parent.length; entry++) {
            if (isFree[entry]) {
                continue;
            }
            pinned += pins[entry] > 0 ? 1 : 0;
            if (!table.holds(entry)) {
                found.add("entry " + entry + " is not found by its digest");
            }
            if (order.holds(entry) == (pins[entry] > 0)) {
                found.add("entry " + entry + " with " + pins[entry] + " pins is " + (order.holds(entry) ? "" : "not ")
                        + "in the eviction order");
            }
            auditFamily(entry, isFree, found);
        }
        if (pinned != pinnedEntries) {
            found.add(pinnedEntries + " entries pinned, recount " + pinned);
        }
        return found;
    }

    private void auditFamily(int entry, boolean[] isFree, List<String> found) {
        int above = parent[entry];
        if (above != NONE && (isFree[above] || pins[above] < pins[entry])) {
            found.add("entry " + entry + " outlives its parent " + above + " or has more pins");
        }
        for (int child = firstChild[entry]; child != NONE; child = nextSibling[child]) {
            if (isFree[child] || parent[child] != entry) {
                found.add("entry " + entry + " counts " + child + " among its children");
            }
        }
    }
}
