package io.kvmanager.paging;

import java.util.Arrays;

/**
 * Entries by the request that used them last: a run. All entries of a run have waited for the same time and have the
 * same class, so they are worth the same; inside a run the end of the prefix goes first.
 *
 * <pre>
 * entries of a run   in the order in which they came in, last block of the prefix first
 * runs of a class    by time of use; the sentinel of class c is runs + c
 * </pre>
 */
final class RunLists {
    private static final int NONE = EvictionOrder.NONE;

    private final int runs;
    private final EntryLists members;
    private final int[] run;
    private final EntryLists order;
    private final long[] usedMillis;
    private final int[] free;
    private int freeCount;

    RunLists(int entries, int classes) {
        runs = entries;
        members = new EntryLists(entries, runs);
        run = new int[entries];
        Arrays.fill(run, NONE);
        order = new EntryLists(runs, classes);
        usedMillis = new long[runs];
        free = new int[runs];
        for (int i = 0; i < runs; i++) {
            free[i] = i;
        }
        freeCount = runs;
    }

    /** Opens an empty run, the youngest of its class. It must get an entry at once: an empty run is given back. */
    int open(int kindOfBlocks, long nowMillis) {
        int opened = free[--freeCount];
        usedMillis[opened] = nowMillis;
        order.add(kindOfBlocks, opened);
        return opened;
    }

    void add(int toRun, int entry) {
        members.add(toRun, entry);
        run[entry] = toRun;
    }

    void remove(int entry) {
        members.remove(entry);
        int of = run[entry];
        run[entry] = NONE;
        if (members.length(of) == 0) {
            order.remove(of);
            free[freeCount++] = of;
        }
    }

    int oldest(int kindOfBlocks) {
        return order.oldest(kindOfBlocks);
    }

    int youngest(int kindOfBlocks) {
        return order.youngest(kindOfBlocks);
    }

    long usedMillis(int ofRun) {
        return usedMillis[ofRun];
    }

    /** The entry of a run that goes first. */
    int last(int ofRun) {
        return members.oldest(ofRun);
    }

    boolean holds(int entry) {
        return members.holds(entry);
    }
}
