package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;

/**
 * Weighted sums of the rows of four tiles for two query heads.
 *
 * <pre>
 * weights [2 query heads][4 tiles][slot]            of the tiles at hand
 * sums    [2 query heads][stride]                   in the order {@link Lanes} reads rows
 *
 *             column ->  8 vectors | 4 vectors | single, the last one masked
 * tile 0 slot 0          16 accumulators: 8 vectors x 2 query heads, all slots of all four tiles
 * tile 1 slot 0          before the next columns
 * ..
 * </pre>
 *
 * The four tiles' rows are visited in turn, so that four streams of memory run at once, and a row of 512 bytes is read
 * whole before the next: in this loop over tiles, half rows for four query heads were less than half as fast.
 */
interface TileSums {
    /** Query heads that are computed together. */
    int HEADS = 2;

    static TileSums of(CacheGeometry geometry) {
        return Lanes.inPairs(geometry) ? new PairTileSums(geometry) : new FloatTileSums(geometry);
    }

    /** Adds the four tiles, with their weights, to the sums of two query heads at {@code at}. */
    void add(FourTiles four, float[] sums, int at);
}
