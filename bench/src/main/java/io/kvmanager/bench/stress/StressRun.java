package io.kvmanager.bench.stress;

import io.kvmanager.CacheName;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.DoubleConsumer;

/** Lives of caches, one after the other, until time or operations are used up. */
final class StressRun {
    private static final long MOST_HEAP_GROWTH_BYTES = 32L << 20;
    private static final long SECOND_NANOS = 1_000_000_000L;

    private final StressOptions options;
    private final Map<CacheName, StressTally> tallies = new LinkedHashMap<>();
    private long heapGrowthBytes;
    private long nanos;

    StressRun(StressOptions options) {
        this.options = options;
        options.caches().forEach(cache -> tallies.put(cache, new StressTally()));
    }

    /**
     * Runs.
     *
     * @param progress told the share that is done
     */
    void run(DoubleConsumer progress) {
        long start = System.nanoTime();
        long done = 0;
        long heapBytes = 0;
        int lives = options.caches().size();
        for (int life = 0; share(start, done) < 1; life++) {
            CacheName cache = options.caches().get(life % lives);
            if (life == lives) {
                heapBytes = usedHeapBytes(); // behind a first round, so that classes and lazy tables are there
            }
            StressTally tally = tally(cache);
            long before = tally.operationCount();
            int most = (int) Math.min(StressLife.OPERATIONS, options.operations() - done);
            new StressLife(cache, options.seed() + life, options, tally).run(most);
            done += Math.max(1, tally.operationCount() - before);
            progress.accept(Math.min(1, share(start, done)));
        }
        nanos = System.nanoTime() - start;
        heapGrowthBytes = heapBytes == 0 ? 0 : Math.max(0, usedHeapBytes() - heapBytes);
    }

    private double share(long start, long done) {
        double time = (System.nanoTime() - start) / (double) SECOND_NANOS / options.seconds();
        return Math.max(time, done / (double) options.operations());
    }

    private static long usedHeapBytes() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    StressTally tally(CacheName cache) {
        StressTally tally = tallies.get(cache);
        if (tally == null) {
            throw new IllegalArgumentException(cache + " is not run");
        }
        return tally;
    }

    Map<CacheName, StressTally> tallies() {
        return tallies;
    }

    /** Heap in use at the end beyond that behind the first round of lives, after collection. */
    long heapGrowthBytes() {
        return heapGrowthBytes;
    }

    boolean heapGrew() {
        return heapGrowthBytes > MOST_HEAP_GROWTH_BYTES;
    }

    long nanos() {
        return nanos;
    }

    /** Violations of all caches, a heap that grew counted as one. */
    long violations() {
        long all = heapGrew() ? 1 : 0;
        for (StressTally tally : tallies.values()) {
            all += tally.violations();
        }
        return all;
    }
}
