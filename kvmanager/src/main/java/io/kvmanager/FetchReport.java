package io.kvmanager;

/**
 * What value fetching did.
 *
 * @param attentions attention computations counted (layers × tokens), with offloaded values or not
 * @param missedMassMean attention mass on tiles that were not read, mean over query heads and attentions, 0..1; exact
 * @param missedMassMax largest missed mass of a query head, 0..1
 * @param tilesHit selected tiles found in the tile cache
 * @param tilesMissed selected tiles copied from host memory
 * @param bytesFetched bytes copied from host to device memory; for {@link BudgetPolicy.Quest}, bytes that it reads
 * @param bytesStored bytes copied from device to host memory
 */
public record FetchReport(
        long attentions,
        double missedMassMean,
        double missedMassMax,
        long tilesHit,
        long tilesMissed,
        long bytesFetched,
        long bytesStored) {

    /** Share of the selected tiles that were in the tile cache, 0..1; 1 when none was selected. */
    public double hitRatio() {
        long selected = tilesHit + tilesMissed;
        return selected == 0 ? 1 : (double) tilesHit / selected;
    }
}
