package io.kvmanager.spi;

import io.kvmanager.FetchReport;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Running counts behind a {@link FetchReport}; one per sequence. The host counts in fields, kernels in device memory:
 *
 * <pre>
 * counters, 40 bytes: F64 sum of mean missed mass, F64 largest missed mass,
 *                     int64 tiles hit, int64 tiles missed, int64 bytes fetched
 * </pre>
 */
public final class FetchTally {
    /** Size of the counters that kernels add to. */
    public static final int COUNTER_BYTES = 40;

    private final Device device;
    private final MemorySegment counters;
    private long attentions;
    private double missedMassSum;
    private double missedMassMax;
    private long tilesHit;
    private long tilesMissed;
    private long bytesFetched;
    private long bytesStored;

    /**
     * Creates a tally of nothing.
     *
     * @param counters device memory, {@link #COUNTER_BYTES}, zero
     */
    public FetchTally(Device device, MemorySegment counters) {
        this.device = device;
        this.counters = counters;
    }

    /** What kernels add to. */
    public MemorySegment counters() {
        return counters;
    }

    /** Counts one layer's attention for one token. */
    public void attention() {
        attentions++;
    }

    /**
     * Counts what one attention did not read.
     *
     * @param meanMissed missed mass, mean over query heads
     * @param maxMissed missed mass of the query head that missed most
     */
    public void missed(double meanMissed, double maxMissed) {
        missedMassSum += meanMissed;
        missedMassMax = Math.max(missedMassMax, maxMissed);
    }

    public void hit() {
        tilesHit++;
    }

    public void miss(long bytes) {
        tilesMissed++;
        bytesFetched += bytes;
    }

    /** Bytes brought back outside of tile selection. */
    public void fetched(long bytes) {
        bytesFetched += bytes;
    }

    public void stored(long bytes) {
        bytesStored += bytes;
    }

    /** The counts of host and device; waits for the device. */
    public FetchReport report() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment read = arena.allocate(COUNTER_BYTES, 8);
            device.read(counters, 0, read, COUNTER_BYTES);
            double missed = missedMassSum + read.get(ValueLayout.JAVA_DOUBLE, 0);
            return new FetchReport(
                    attentions,
                    attentions == 0 ? 0 : missed / attentions,
                    Math.max(missedMassMax, read.get(ValueLayout.JAVA_DOUBLE, 8)),
                    tilesHit + read.get(ValueLayout.JAVA_LONG, 16),
                    tilesMissed + read.get(ValueLayout.JAVA_LONG, 24),
                    bytesFetched + read.get(ValueLayout.JAVA_LONG, 32),
                    bytesStored);
        }
    }
}
