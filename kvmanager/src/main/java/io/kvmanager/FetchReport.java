package io.kvmanager;

/**
 * What value fetching did.
 *
 * <p>The error bound of a query head and attention is a number that the distance between the output and the exact
 * output never exceeds, up to F32 rounding; here it is divided by the norm of the output, and counts as
 * 100 where it is more. It is NaN on a device that
 * does not compute it.
 *
 * @param attentions attention computations counted (layers × tokens), with offloaded values or not
 * @param missedMassMean attention mass on tiles that were not read, mean over query heads and attentions, 0..1; exact
 * @param missedMassMax largest missed mass of a query head, 0..1
 * @param boundMean error bound over the output's norm, mean over query heads and attentions
 * @param boundMax largest error bound over the output's norm of a query head
 * @param tiles tiles that the attentions of offloading layers ranged over, resident ones included
 * @param tilesHit selected tiles found in the tile cache
 * @param tilesMissed selected tiles copied from host memory
 * @param tilesInPlace selected tiles read where they lie in host memory
 * @param bytesFetched bytes copied from host to device memory, or read there in place; for {@link BudgetPolicy.Quest},
 *     bytes that it reads
 * @param bytesStored bytes copied from device to host memory
 * @param shadowBytes device bytes of the blocks that hold shadows of V, or means, now
 */
public record FetchReport(
        long attentions,
        double missedMassMean,
        double missedMassMax,
        double boundMean,
        double boundMax,
        long tiles,
        long tilesHit,
        long tilesMissed,
        long tilesInPlace,
        long bytesFetched,
        long bytesStored,
        long shadowBytes) {

    /** Nothing happened. */
    public static final FetchReport NONE = new FetchReport(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    /** Both together: sums, means and maxima; the larger of the shadow bytes. */
    public FetchReport plus(FetchReport other) {
        long both = attentions + other.attentions;
        return new FetchReport(
                both,
                mean(missedMassMean, other.missedMassMean, other),
                Math.max(missedMassMax, other.missedMassMax),
                mean(boundMean, other.boundMean, other),
                Math.max(boundMax, other.boundMax),
                tiles + other.tiles,
                tilesHit + other.tilesHit,
                tilesMissed + other.tilesMissed,
                tilesInPlace + other.tilesInPlace,
                bytesFetched + other.bytesFetched,
                bytesStored + other.bytesStored,
                Math.max(shadowBytes, other.shadowBytes));
    }

    /** The same with other shadow bytes. */
    public FetchReport withShadowBytes(long bytes) {
        return new FetchReport(
                attentions,
                missedMassMean,
                missedMassMax,
                boundMean,
                boundMax,
                tiles,
                tilesHit,
                tilesMissed,
                tilesInPlace,
                bytesFetched,
                bytesStored,
                bytes);
    }

    private double mean(double mine, double others, FetchReport other) {
        long both = attentions + other.attentions;
        return both == 0 ? 0 : (mine * attentions + others * other.attentions) / both;
    }

    /** Tiles that were chosen and read, resident ones not counted. */
    public long tilesSelected() {
        return tilesHit + tilesMissed + tilesInPlace;
    }

    /** Share of all tiles that were selected, 0..1. */
    public double selectedShare() {
        return tiles == 0 ? 0 : (double) tilesSelected() / tiles;
    }

    /** Share of the selected tiles that were in the tile cache, 0..1; 1 when none was selected. */
    public double hitRatio() {
        long selected = tilesSelected();
        return selected == 0 ? 1 : (double) tilesHit / selected;
    }
}
