package io.kvmanager.paging;

/**
 * How often fingerprints were seen lately, in four bits each: a count-min sketch with ageing.
 *
 * <pre>
 * table     longs of sixteen counters of 4 bits, a power of two
 * row i     a hash of its own: the high bits select a fingerprint's long, the low 4 bits the counter in it
 * estimate  the smallest of its four counters, 0..15
 * ageing    all counters are halved after ten times as many increments as the cache has blocks
 * </pre>
 *
 * <p>Source: Einziger, Friedman, Manes: TinyLFU, a highly efficient cache admission policy, 2017.
 */
final class FrequencySketch {
    private static final int ROWS = 4;
    private static final int HIGHEST = 15;
    private static final int INCREMENTS_PER_BLOCK = 10;
    private static final long HALVED = 0x7777_7777_7777_7777L;
    private static final long[] SEEDS = {
        0xc3a5_c85c_97cb_3127L, 0xb492_b66f_be98_f273L, 0x9ae1_6a3b_2f90_404fL, 0xcbf2_9ce4_8422_2325L
    };

    private final long[] table;
    private final int sample;
    private int increments;

    FrequencySketch(int blocks) {
        table = new long[Math.max(8, Integer.highestOneBit(Math.max(1, blocks)) << 1)];
        sample = INCREMENTS_PER_BLOCK * Math.max(1, blocks);
    }

    int estimate(long fingerprint) {
        int least = HIGHEST;
        for (int row = 0; row < ROWS; row++) {
            long hash = hash(fingerprint, row);
            least = Math.min(least, (int) (table[index(hash)] >>> shift(hash)) & HIGHEST);
        }
        return least;
    }

    void increment(long fingerprint) {
        boolean grown = false;
        for (int row = 0; row < ROWS; row++) {
            long hash = hash(fingerprint, row);
            int index = index(hash);
            int shift = shift(hash);
            if (((table[index] >>> shift) & HIGHEST) < HIGHEST) {
                table[index] += 1L << shift;
                grown = true;
            }
        }
        if (grown && ++increments == sample) {
            increments = 0;
            for (int i = 0; i < table.length; i++) {
                table[i] = (table[i] >>> 1) & HALVED;
            }
        }
    }

    private static long hash(long fingerprint, int row) {
        long mixed = (fingerprint ^ (fingerprint >>> 32)) * SEEDS[row];
        return mixed ^ (mixed >>> 29);
    }

    private int index(long hash) {
        return (int) (hash >>> 32) & (table.length - 1);
    }

    private static int shift(long hash) {
        return ((int) hash & HIGHEST) << 2;
    }
}
