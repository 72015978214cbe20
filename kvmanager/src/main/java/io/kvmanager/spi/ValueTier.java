package io.kvmanager.spi;

/**
 * V's home below device memory, and the choice of what a step fetches from it. A home that becomes free takes its tiles
 * out of the tile cache.
 */
public interface ValueTier extends BlockStore {

    /**
     * Chooses what one attention reads. Blocks with a device block are always read; of the others, each KV head's best
     * tiles by mass over its GQA group, as configured, are found in or brought into the tile cache. Fills the
     * workspace's tiles and rest.
     *
     * @param workspace mass is filled
     * @param blocks logical blocks
     * @param valueTable device block of each logical block, or absent
     * @param homeTable home of each logical block, or absent; one of the two is present
     * @param tally counts hits, misses, bytes and missed mass
     */
    void select(
            AttentionWorkspace workspace,
            DeviceCount blocks,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally);
}
