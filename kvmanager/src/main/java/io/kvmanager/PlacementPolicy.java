package io.kvmanager;

/** Where V lives. K is always in device memory, so every softmax weight is exact whatever is chosen here. */
public sealed interface PlacementPolicy {

    /** V in device memory, like K. */
    record Resident() implements PlacementPolicy {
        @Override
        public String toString() {
            return "resident";
        }
    }

    /**
     * V's home is host memory (KCache). Sinks and the recent window stay in device memory; a value block that leaves
     * the window is dropped there and its tiles are fetched when a step selects them.
     *
     * @param selection which tiles a step fetches
     * @param compensation what stands in for the rest
     * @param sinkBlocks leading blocks that stay in device memory
     * @param recentTokens newest tokens whose V stays in device memory, tokens
     * @param residentValueLayers first layers whose V is not offloaded
     * @param tileCacheTiles tile slots in device memory, shared by all layers and sequences, tiles
     */
    record Offloaded(
            ValueSelection selection,
            Compensation compensation,
            int sinkBlocks,
            int recentTokens,
            int residentValueLayers,
            int tileCacheTiles)
            implements PlacementPolicy {

        public Offloaded {
            requireNotNegative("sinkBlocks", sinkBlocks);
            requireNotNegative("recentTokens", recentTokens);
            requireNotNegative("residentValueLayers", residentValueLayers);
            requireNotNegative("tileCacheTiles", tileCacheTiles);
        }

        /** Blocks of the slab that hold the tile cache's slots. */
        public int tileCacheBlocks(CacheGeometry geometry) {
            return Math.ceilDiv(tileCacheTiles, geometry.kvHeads());
        }

        private static void requireNotNegative(String name, int value) {
            if (value < 0) {
                throw new IllegalArgumentException(name + " " + value + " is not accepted; accepted: 0 or more");
            }
        }
    }
}
