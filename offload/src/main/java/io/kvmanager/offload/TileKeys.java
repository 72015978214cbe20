package io.kvmanager.offload;

/**
 * Tiles as sortable keys, and the selection of the largest of them without sorting.
 *
 * <pre>
 * key, 64 bits = | F32 bits of the mass, above 0 | complement of the block index |
 * </pre>
 *
 * Positive floats order like their bits, so a larger key is a larger mass, or the lower block of equal ones. All keys
 * differ, hence so does nothing that depends on their order: the result is the same whatever order they come in.
 *
 * <p>{@link #selectLargest} finds the shortest run of largest keys whose masses reach {@code need}, at most
 * {@code limit} of them (a quickselect that weighs as well as counts; the top n are the case of an endless need):
 * <ol>
 *   <li>{@code keys[0..low)} are chosen, {@code keys[low..high)} undecided, the rest is not chosen; all chosen keys are
 *       above all undecided ones, and these above the rest.
 *   <li>Split the undecided ones around a pivot that lands at {@code middle}, larger keys first.
 *   <li>If the keys before the pivot are more than the limit has room for, or reach the need, the answer ends among
 *       them: the pivot and what follows it are not chosen.
 *   <li>Else they are all chosen, and so is the pivot if there is room.
 *   <li>Repeat until nothing is undecided, the limit is used up or the need is met.
 * </ol>
 * Expected work is a small multiple of the number of keys.
 */
final class TileKeys {
    /** A need that no mass meets: only the limit ends the selection. */
    static final double ENDLESS = Double.POSITIVE_INFINITY;

    private TileKeys() {}

    static long key(float mass, int block) {
        return ((long) Float.floatToRawIntBits(mass) << 32) | (~block & 0xffff_ffffL);
    }

    static int block(long key) {
        return ~(int) key;
    }

    static float mass(long key) {
        return Float.intBitsToFloat((int) (key >>> 32));
    }

    /**
     * Moves the chosen keys to the front, in no particular order.
     *
     * @param keys distinct keys, reordered
     * @param count keys in use
     * @param limit most keys to choose
     * @param need mass to reach
     * @return how many are chosen
     */
    static int selectLargest(long[] keys, int count, int limit, double need) {
        int low = 0;
        int high = count;
        double covered = 0;
        while (low < high && low < limit && covered < need) {
            int middle = split(keys, low, high);
            double upper = 0;
            for (int i = low; i < middle; i++) {
                upper += mass(keys[i]);
            }
            if (middle > limit || covered + upper >= need) {
                high = middle;
            } else if (middle == limit) {
                low = middle;
            } else {
                covered += upper + mass(keys[middle]);
                low = middle + 1;
            }
        }
        return low;
    }

    /** Puts larger keys before a pivot and smaller ones behind it; returns where the pivot is. */
    static int split(long[] keys, int low, int high) {
        int last = high - 1;
        swap(keys, medianOfThree(keys, low, (low + last) >>> 1, last), last);
        long pivot = keys[last];
        int end = low;
        for (int i = low; i < last; i++) {
            // Exchanged in any case and kept by counting: which way the comparison goes cannot be predicted.
            long key = keys[i];
            keys[i] = keys[end];
            keys[end] = key;
            end += key > pivot ? 1 : 0;
        }
        swap(keys, end, last);
        return end;
    }

    private static int medianOfThree(long[] keys, int a, int b, int c) {
        if (keys[a] < keys[b]) {
            return keys[b] < keys[c] ? b : keys[a] < keys[c] ? c : a;
        }
        return keys[a] < keys[c] ? a : keys[b] < keys[c] ? c : b;
    }

    private static void swap(long[] keys, int i, int j) {
        long key = keys[i];
        keys[i] = keys[j];
        keys[j] = key;
    }
}
