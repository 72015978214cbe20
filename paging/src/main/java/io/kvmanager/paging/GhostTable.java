package io.kvmanager.paging;

/**
 * Which record last spoke of an evicted block: fingerprint to record number, of a fixed size.
 *
 * <pre>
 * ghosts   long per ghost: the fingerprint's low 32 bits, then the record number; 0 where there is none
 * set      four ghosts side by side, selected by the fingerprint's high bits
 * </pre>
 *
 * A new ghost takes the place of the oldest record in its set. Two blocks with one fingerprint count as one, which
 * statistics bear.
 *
 * <p>New ghosts wait until there are several or somebody looks: nearly every set is a miss in the processor's caches,
 * and misses that do not depend on each other take little longer than one.
 */
final class GhostTable {
    private static final int WAYS = 4;
    private static final int WAITING = 32;

    private final long[] ghosts;
    private final int setMask;
    private final long[] waitingFingerprints = new long[WAITING];
    private final int[] waitingRecords = new int[WAITING];
    private int waiting;

    @SuppressWarnings("UnusedVariable") // without it the loads that fill it would be left out
    private long touched;

    GhostTable(int count) {
        int sets = Integer.highestOneBit(Math.max(1, count / WAYS));
        ghosts = new long[sets * WAYS];
        setMask = sets - 1;
    }

    /** The record of a fingerprint, or {@link ReturnTimes#NO_RECORD}. */
    int find(long fingerprint) {
        place();
        int first = first(fingerprint);
        for (int i = first; i < first + WAYS; i++) {
            if (tag(ghosts[i]) == (int) fingerprint) {
                return (int) ghosts[i];
            }
        }
        return ReturnTimes.NO_RECORD;
    }

    void put(long fingerprint, int recordNumber) {
        waitingFingerprints[waiting] = fingerprint;
        waitingRecords[waiting] = recordNumber;
        if (++waiting == WAITING) {
            place();
        }
    }

    private void place() {
        long sum = 0;
        for (int i = 0; i < waiting; i++) {
            sum += ghosts[first(waitingFingerprints[i])]; // brings the sets into the cache, all at once
        }
        touched = sum;
        for (int i = 0; i < waiting; i++) {
            place(waitingFingerprints[i], waitingRecords[i]);
        }
        waiting = 0;
    }

    private void place(long fingerprint, int recordNumber) {
        int first = first(fingerprint);
        int place = first;
        for (int i = first; i < first + WAYS; i++) {
            if (tag(ghosts[i]) == (int) fingerprint) {
                place = i;
                break;
            }
            if (recordNumber - (int) ghosts[i] > recordNumber - (int) ghosts[place]) {
                place = i;
            }
        }
        ghosts[place] = fingerprint << 32 | Integer.toUnsignedLong(recordNumber);
    }

    private int first(long fingerprint) {
        return ((int) (fingerprint >>> 32) & setMask) * WAYS;
    }

    private static int tag(long ghost) {
        return (int) (ghost >>> 32);
    }
}
