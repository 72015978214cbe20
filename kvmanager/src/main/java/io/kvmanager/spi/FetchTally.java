package io.kvmanager.spi;

import io.kvmanager.FetchReport;

/** Running counts behind a {@link FetchReport}; one per sequence, written by the attention path. */
public final class FetchTally {
    private long attentions;
    private double missedMassSum;
    private double missedMassMax;
    private long tilesHit;
    private long tilesMissed;
    private long bytesFetched;
    private long bytesStored;

    /**
     * Counts one attention.
     *
     * @param meanMissed missed mass, mean over query heads
     * @param maxMissed missed mass of the query head that missed most
     */
    public void attention(double meanMissed, double maxMissed) {
        attentions++;
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

    public FetchReport report() {
        return new FetchReport(
                attentions,
                attentions == 0 ? 0 : missedMassSum / attentions,
                missedMassMax,
                tilesHit,
                tilesMissed,
                bytesFetched,
                bytesStored);
    }
}
