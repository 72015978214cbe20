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
 */
final class GhostTable {
    private static final int WAYS = 4;

    private final long[] ghosts;
    private final int setMask;

    GhostTable(int count) {
        int sets = Integer.highestOneBit(Math.max(1, count / WAYS));
        ghosts = new long[sets * WAYS];
        setMask = sets - 1;
    }

    /** The record of a fingerprint, or {@link ReturnTimes#NO_RECORD}. */
    int find(long fingerprint) {
        int first = first(fingerprint);
        for (int i = first; i < first + WAYS; i++) {
            if (tag(ghosts[i]) == (int) fingerprint) {
                return (int) ghosts[i];
            }
        }
        return ReturnTimes.NO_RECORD;
    }

    void put(long fingerprint, int recordNumber) {
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
