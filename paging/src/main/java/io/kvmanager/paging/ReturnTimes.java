package io.kvmanager.paging;

import java.util.Arrays;

/**
 * After how long blocks are used again, by class, and from it what a block that waits is worth.
 *
 * <p>A <b>record</b> stands for the blocks that one request used last: their class, how many, when, and when most of
 * those that came back did. The newest {@link #RECORDS} are kept, whether their blocks are still cached or not; so what
 * was evicted too early is counted as well, and the record outlives what the cache made of it.
 *
 * <p>The <b>worth</b> of a block of class c that has waited for age a is its largest attainable hit density: over all
 * ages T at which one could give it up,
 *
 * <pre>
 *   worth(c, a) = max over T &gt; a of   P(returns in (a, T] | not before a)
 *                                     ------------------------------------
 *                                     E(time it waits in (a, T] | not before a)
 * </pre>
 *
 * hits per block and millisecond. Evicting the smallest worth is the index rule for independent renewal processes
 * (Whittle 1988; Gittins 1979); hit density as a measure is from Beckmann, Chen, Cidon: LHD, NSDI 2018. For think times
 * the worth first rises with age and then falls.
 *
 * <p>Steps of {@link #learn}, over all records:
 * <ol>
 *   <li>A record's blocks have left at the age at which they returned, or have waited until now. Both are summed per
 *       class and age bucket, in blocks: how many left, how many returned, and the time waited inside the bucket.
 *   <li>Hazard of a bucket = returned / time waited in it, drawn towards all classes' common hazard as if
 *       {@link #PRIOR_BLOCKS} blocks had waited through it.
 *   <li>From each age the buckets above are summed up: probability returned, expected wait, and their best ratio.
 * </ol>
 *
 * <p>Age buckets: units of {@link #UNIT_MILLIS}; four to an octave. Not thread-safe.
 */
final class ReturnTimes {
    private static final int RECORDS = 16384;

    /** What is no kept record's number. Numbers count up from {@link #RECORDS} and may wrap around. */
    static final int NO_RECORD = 0;

    private static final int LEARN_FIRST = 32;
    private static final int LEARN_EVERY = 768;
    private static final double PRIOR_BLOCKS = 30;
    private static final int UNIT_MILLIS = 256;
    private static final int BUCKETS = 80;

    private final int classes;
    private final byte[] kind = new byte[RECORDS];
    private final byte[] turn = new byte[RECORDS];
    private final int[] blocks = new int[RECORDS];
    private final int[] returned = new int[RECORDS];
    private final long[] usedMillis = new long[RECORDS];
    private final long[] returnMillis = new long[RECORDS];
    private int records = RECORDS;
    private int sinceLearning;
    private int untilLearning = LEARN_FIRST;
    private final double[] worth;
    private final double[] left;
    private final double[] back;
    private final double[] waited;
    private final double[] hazard = new double[BUCKETS];
    private final double[] stays = new double[BUCKETS];
    private int lastReturn;

    ReturnTimes(int classes) {
        this.classes = classes;
        worth = new double[classes * BUCKETS];
        left = new double[(classes + 1) * BUCKETS];
        back = new double[(classes + 1) * BUCKETS];
        waited = new double[(classes + 1) * BUCKETS];
    }

    /** Adds a record and returns its number; a turn is 0..127. */
    int add(int kindOfBlocks, int requestTurn, int blockCount, long nowMillis) {
        int slot = slot(records);
        turn[slot] = (byte) requestTurn;
        kind[slot] = (byte) kindOfBlocks;
        blocks[slot] = blockCount;
        returned[slot] = 0;
        usedMillis[slot] = nowMillis;
        sinceLearning++;
        return records++;
    }

    /** Whether the record with this number is still kept. */
    boolean keeps(int number) {
        return Integer.compareUnsigned(records - number, RECORDS) < 0;
    }

    /** The turn that a kept record was added with. */
    int turn(int number) {
        return turn[slot(number)];
    }

    /** Notes that so many blocks of a kept record were used together again; the largest number counts. */
    void returned(int number, int blockCount, long nowMillis) {
        int slot = slot(number);
        if (blockCount > returned[slot]) {
            returned[slot] = Math.min(blockCount, blocks[slot]);
            returnMillis[slot] = nowMillis;
        }
    }

    private static int slot(int number) {
        return number & (RECORDS - 1);
    }

    /** Expected hits per block and millisecond, see above; 0 before anything was learned. */
    double worth(int kindOfBlocks, long ageMillis) {
        return worth[kindOfBlocks * BUCKETS + bucket(ageMillis)];
    }

    static int bucket(long ageMillis) {
        long units = Math.max(0, ageMillis) / UNIT_MILLIS;
        if (units < 4) {
            return (int) units;
        }
        int octave = 63 - Long.numberOfLeadingZeros(units);
        int quarter = (int) (units >>> (octave - 2)) & 3;
        return Math.min(BUCKETS - 1, 4 * (octave - 1) + quarter);
    }

    /** First age of a bucket, in milliseconds. */
    static long start(int bucket) {
        return bucket < 4
                ? (long) bucket * UNIT_MILLIS
                : (long) (4 + (bucket & 3)) << (bucket / 4 - 1) << Integer.numberOfTrailingZeros(UNIT_MILLIS);
    }

    /** Learns again if enough records have come since the last time. */
    void learnIfDue(long nowMillis) {
        if (sinceLearning >= untilLearning) {
            learn(nowMillis);
            sinceLearning = 0;
            untilLearning = Math.min(2 * untilLearning, LEARN_EVERY);
        }
    }

    private void learn(long nowMillis) {
        Arrays.fill(left, 0);
        Arrays.fill(back, 0);
        Arrays.fill(waited, 0);
        lastReturn = 0;
        for (int slot = 0; slot < RECORDS; slot++) {
            if (returned[slot] > 0) {
                long age = returnMillis[slot] - usedMillis[slot];
                count(kind[slot], age, returned[slot]);
                back[kind[slot] * BUCKETS + bucket(age)] += returned[slot];
                lastReturn = Math.max(lastReturn, bucket(age));
            }
            count(kind[slot], nowMillis - usedMillis[slot], blocks[slot] - returned[slot]);
        }
        for (int c = 0; c < classes; c++) {
            spread(c);
        }
        for (int c = 0; c < classes; c++) {
            hazards(c);
            worths(c);
        }
    }

    private void count(int c, long age, int blockCount) {
        int cell = c * BUCKETS + bucket(age);
        left[cell] += blockCount;
        waited[cell] += (double) blockCount * (Math.max(0, age) - start(bucket(age)));
    }

    /** Adds the time of those that waited through a bucket, and all of it to the common sums. */
    private void spread(int c) {
        double through = 0;
        int common = classes * BUCKETS;
        for (int k = BUCKETS - 1; k >= 0; k--) {
            int cell = c * BUCKETS + k;
            waited[cell] += through * width(k);
            through += left[cell];
            waited[common + k] += waited[cell];
            back[common + k] += back[cell];
        }
    }

    private static double width(int bucket) {
        return start(bucket + 1) - start(bucket);
    }

    private void hazards(int c) {
        int common = classes * BUCKETS;
        for (int k = 0; k < BUCKETS; k++) {
            double shared = waited[common + k] > 0 ? back[common + k] / waited[common + k] : 0;
            double prior = PRIOR_BLOCKS * width(k);
            int cell = c * BUCKETS + k;
            hazard[k] = (back[cell] + shared * prior) / (waited[cell] + prior);
        }
    }

    /** Behind the last bucket in which anything returned there is nothing to wait for. */
    private void worths(int c) {
        for (int k = 0; k <= lastReturn; k++) {
            stays[k] = Math.exp(-hazard[k] * width(k));
        }
        for (int from = 0; from < BUCKETS; from++) {
            double absent = 1;
            double hits = 0;
            double time = 0;
            double best = 0;
            for (int k = from; k <= lastReturn; k++) {
                double returning = absent * (1 - stays[k]);
                hits += returning;
                time += hazard[k] > 0 ? returning / hazard[k] : absent * width(k);
                absent *= stays[k];
                best = Math.max(best, hits / time);
            }
            worth[c * BUCKETS + from] = best;
        }
    }
}
