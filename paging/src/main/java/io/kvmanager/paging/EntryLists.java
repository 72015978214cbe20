package io.kvmanager.paging;

import java.util.Arrays;

/**
 * Doubly linked lists over entries in flat arrays; an entry is in one list at most. The oldest stands first.
 *
 * <pre>
 * next, previous   ring per list through a sentinel; the sentinel of list i is entries + i
 * list             list of an entry, NONE where it is in none
 * </pre>
 */
final class EntryLists {
    private static final int NONE = EvictionOrder.NONE;

    private final int entries;
    private final int[] next;
    private final int[] previous;
    private final int[] list;
    private final int[] length;

    EntryLists(int entries, int lists) {
        this.entries = entries;
        next = new int[entries + lists];
        previous = new int[entries + lists];
        list = new int[entries];
        length = new int[lists];
        Arrays.fill(list, NONE);
        for (int i = entries; i < next.length; i++) {
            next[i] = i;
            previous[i] = i;
        }
    }

    /** Adds an entry at the young end. */
    void add(int which, int entry) {
        int sentinel = entries + which;
        int youngest = previous[sentinel];
        next[youngest] = entry;
        previous[entry] = youngest;
        next[entry] = sentinel;
        previous[sentinel] = entry;
        list[entry] = which;
        length[which]++;
    }

    void remove(int entry) {
        next[previous[entry]] = next[entry];
        previous[next[entry]] = previous[entry];
        length[list[entry]]--;
        list[entry] = NONE;
    }

    /** The oldest entry of a list, or {@link EvictionOrder#NONE}. */
    int oldest(int which) {
        int entry = next[entries + which];
        return entry < entries ? entry : NONE;
    }

    /** The youngest entry of a list, or {@link EvictionOrder#NONE}. */
    int youngest(int which) {
        int entry = previous[entries + which];
        return entry < entries ? entry : NONE;
    }

    int length(int which) {
        return length[which];
    }

    boolean holds(int entry) {
        return list[entry] != NONE;
    }
}
