package io.kvmanager.paging;

import java.util.Arrays;

/**
 * From digest to entry, by open addressing over flat arrays.
 *
 * <pre>
 * slots     entry per slot, EMPTY where there is none; twice the entries or more, a power of two
 * digests   four longs per entry
 * home(d)   the low bits of the digest's first long: a digest is uniform, nothing is to be mixed
 * </pre>
 *
 * <p>A search goes from its home slot to the first empty one. A removal moves later entries of the same row back, so
 * that there are no tombstones and a table never degrades. Not thread-safe.
 */
final class DigestTable {
    /** No entry. */
    static final int ABSENT = -1;

    private static final int LONGS = BlockIdentity.DIGEST_LONGS;

    private final int[] slots;
    private final int mask;
    private final long[] digests;

    DigestTable(int entries) {
        int size = Math.max(2, Integer.highestOneBit(Math.max(1, entries)) << 2);
        slots = new int[size];
        Arrays.fill(slots, ABSENT);
        mask = size - 1;
        digests = new long[entries * LONGS];
    }

    /** The entry of a digest that starts at {@code offset}, or {@link #ABSENT}. */
    int find(long[] digest, int offset) {
        int slot = (int) digest[offset] & mask;
        while (true) {
            int entry = slots[slot];
            if (entry == ABSENT || equal(entry, digest, offset)) {
                return entry;
            }
            slot = (slot + 1) & mask;
        }
    }

    private boolean equal(int entry, long[] digest, int offset) {
        int own = entry * LONGS;
        return digests[own] == digest[offset]
                && digests[own + 1] == digest[offset + 1]
                && digests[own + 2] == digest[offset + 2]
                && digests[own + 3] == digest[offset + 3];
    }

    /** Adds an entry whose digest is not in the table. */
    void insert(int entry, long[] digest, int offset) {
        System.arraycopy(digest, offset, digests, entry * LONGS, LONGS);
        int slot = (int) digest[offset] & mask;
        while (slots[slot] != ABSENT) {
            slot = (slot + 1) & mask;
        }
        slots[slot] = entry;
    }

    void remove(int entry) {
        int hole = home(entry);
        while (slots[hole] != entry) {
            if (slots[hole] == ABSENT) {
                throw new IllegalStateException("entry " + entry + " is not in the table");
            }
            hole = (hole + 1) & mask;
        }
        int slot = (hole + 1) & mask;
        while (slots[slot] != ABSENT) {
            int distance = (slot - home(slots[slot])) & mask;
            if (distance >= ((slot - hole) & mask)) {
                slots[hole] = slots[slot];
                hole = slot;
            }
            slot = (slot + 1) & mask;
        }
        slots[hole] = ABSENT;
    }

    private int home(int entry) {
        return (int) digests[entry * LONGS] & mask;
    }

    /** First long of an entry's digest, which tells entries apart well enough for statistics. */
    long fingerprint(int entry) {
        return digests[entry * LONGS];
    }

    /** Whether a search for the entry's digest finds it. */
    boolean holds(int entry) {
        return find(digests, entry * LONGS) == entry;
    }
}
