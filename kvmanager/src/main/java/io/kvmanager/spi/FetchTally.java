package io.kvmanager.spi;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.kvmanager.CacheGeometry;
import io.kvmanager.FetchReport;
import io.kvmanager.HeadFetch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Running counts behind a {@link FetchReport}; one per layer of a sequence. What the host decides it counts in fields;
 * what is decided where attention runs is counted in device memory:
 *
 * <pre>
 * counters, all 8 bytes wide:
 *   F64 sum of mean missed mass, F64 largest missed mass, int64 tiles hit, int64 tiles missed, int64 bytes fetched
 *   int64 tiles read in place, int64 tiles ranged over
 *   [queryHeads] F64 sum of missed mass, F64 largest, F64 sum of bound over output norm, F64 largest
 *   [kvHeads]    int64 tiles selected, int64 bytes fetched
 * </pre>
 *
 * The methods that count by head write there, so they need memory that the host can address; they allocate nothing.
 */
public final class FetchTally {
    /** Size of the counters of the first line. */
    public static final int COUNTER_BYTES = 40;

    private static final int MISSED_SUM = 0;
    private static final int MISSED_MAX = 8;
    private static final int HIT = 16;
    private static final int MISSED = 24;
    private static final int FETCHED = 32;
    private static final int IN_PLACE = 40;
    private static final int RANGED = 48;
    private static final int HEADS_FROM = 56;
    private static final int HEAD_BYTES = 32;
    private static final int KV_HEAD_BYTES = 16;
    /** What a larger bound over the output's norm counts as; an output that nearly vanishes would drown all others. */
    public static final double LARGEST_BOUND = 100;


    private final Device device;
    private final CacheGeometry geometry;
    private final MemorySegment counters;
    private final long kvHeadsFrom;
    private long attentions;
    private long bytesFetched;
    private long bytesStored;
    private boolean bounded = true;

    /**
     * Creates a tally of nothing.
     *
     * @param counters device memory, {@link #counterBytes}, zero
     */
    public FetchTally(Device device, CacheGeometry geometry, MemorySegment counters) {
        this.device = device;
        this.geometry = geometry;
        this.counters = counters;
        kvHeadsFrom = HEADS_FROM + (long) HEAD_BYTES * geometry.queryHeads();
    }

    /** Size of the counters of one tally. */
    public static long counterBytes(CacheGeometry geometry) {
        return HEADS_FROM + (long) HEAD_BYTES * geometry.queryHeads() + (long) KV_HEAD_BYTES * geometry.kvHeads();
    }

    /** What kernels add to. */
    public MemorySegment counters() {
        return counters;
    }

    /** Counts one attention, for one token. */
    public void attention() {
        attentions++;
    }

    /** Notes that the bound of an attention is not known. */
    public void withoutBound() {
        bounded = false;
    }

    /**
     * Counts what one attention did not read.
     *
     * @param meanMissed missed mass, mean over query heads
     * @param maxMissed missed mass of the query head that missed most
     * @param tiles tiles of all KV heads that it ranged over, read or not
     */
    public void missed(double meanMissed, double maxMissed, long tiles) {
        add(MISSED_SUM, meanMissed);
        raise(MISSED_MAX, maxMissed);
        add(RANGED, tiles);
    }

    /** Counts what one query head did not read. */
    public void missedOf(int queryHead, double missed) {
        long at = HEADS_FROM + (long) HEAD_BYTES * queryHead;
        add(at, missed);
        raise(at + 8, missed);
    }

    /**
     * Counts one query head's error bound.
     *
     * @param bound largest distance from the exact output
     * @param norm norm of the output
     */
    public void bound(int queryHead, double bound, double norm) {
        long at = HEADS_FROM + (long) HEAD_BYTES * queryHead + 16;
        double relative = bound < LARGEST_BOUND * norm ? bound / norm : bound > 0 ? LARGEST_BOUND : 0;
        add(at, relative);
        raise(at + 8, relative);
    }

    /** Counts a selected tile that was in the tile cache. */
    public void hit(int kvHead) {
        add(HIT, 1);
        selected(kvHead, 0);
    }

    /** Counts a selected tile that was copied from host memory. */
    public void miss(int kvHead, long bytes) {
        add(MISSED, 1);
        selected(kvHead, bytes);
    }

    /** Counts a selected tile that is read where it lies in host memory. */
    public void inPlace(int kvHead, long bytes) {
        add(IN_PLACE, 1);
        selected(kvHead, bytes);
    }

    private void selected(int kvHead, long bytes) {
        long at = kvHeadsFrom + (long) KV_HEAD_BYTES * kvHead;
        add(at, 1);
        add(at + 8, bytes);
        add(FETCHED, bytes);
    }

    private void add(long at, double amount) {
        counters.set(JAVA_DOUBLE, at, counters.get(JAVA_DOUBLE, at) + amount);
    }

    private void add(long at, long amount) {
        counters.set(JAVA_LONG, at, counters.get(JAVA_LONG, at) + amount);
    }

    private void raise(long at, double value) {
        counters.set(JAVA_DOUBLE, at, Math.max(counters.get(JAVA_DOUBLE, at), value));
    }

    /** Bytes brought back outside of tile selection. */
    public void fetched(long bytes) {
        bytesFetched += bytes;
    }

    public void stored(long bytes) {
        bytesStored += bytes;
    }

    private MemorySegment read(Arena arena) {
        long bytes = counterBytes(geometry);
        MemorySegment read = arena.allocate(bytes, 8);
        device.read(counters, 0, read, bytes);
        return read;
    }

    private double perAttention(double sum) {
        return attentions == 0 ? 0 : sum / attentions;
    }

    /**
     * The counts of host and device; waits for the device.
     *
     * @param shadowBytes device bytes that the layer's shadows or means hold now
     */
    public FetchReport report(long shadowBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment read = read(arena);
            double bound = 0;
            double boundMax = 0;
            for (int head = 0; head < geometry.queryHeads(); head++) {
                long at = HEADS_FROM + (long) HEAD_BYTES * head + 16;
                bound += read.get(JAVA_DOUBLE, at) / geometry.queryHeads();
                boundMax = Math.max(boundMax, read.get(JAVA_DOUBLE, at + 8));
            }
            return new FetchReport(
                    attentions,
                    perAttention(read.get(JAVA_DOUBLE, MISSED_SUM)),
                    read.get(JAVA_DOUBLE, MISSED_MAX),
                    bounded ? perAttention(bound) : Double.NaN,
                    bounded ? boundMax : Double.NaN,
                    read.get(JAVA_LONG, RANGED),
                    read.get(JAVA_LONG, HIT),
                    read.get(JAVA_LONG, MISSED),
                    read.get(JAVA_LONG, IN_PLACE),
                    bytesFetched + read.get(JAVA_LONG, FETCHED),
                    bytesStored,
                    shadowBytes);
        }
    }

    /** The counts by query head; waits for the device. */
    public List<HeadFetch> heads() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment read = read(arena);
            List<HeadFetch> heads = new ArrayList<>();
            for (int head = 0; head < geometry.queryHeads(); head++) {
                long at = HEADS_FROM + (long) HEAD_BYTES * head;
                long kvAt = kvHeadsFrom + (long) KV_HEAD_BYTES * (head / geometry.groupSize());
                heads.add(new HeadFetch(
                        perAttention(read.get(JAVA_DOUBLE, at)),
                        read.get(JAVA_DOUBLE, at + 8),
                        bounded ? perAttention(read.get(JAVA_DOUBLE, at + 16)) : Double.NaN,
                        bounded ? read.get(JAVA_DOUBLE, at + 24) : Double.NaN,
                        read.get(JAVA_LONG, kvAt),
                        read.get(JAVA_LONG, kvAt + 8)));
            }
            return List.copyOf(heads);
        }
    }
}
