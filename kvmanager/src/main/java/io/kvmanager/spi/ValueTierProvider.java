package io.kvmanager.spi;

import io.kvmanager.CacheGeometry;
import io.kvmanager.PlacementPolicy;

/**
 * Opens value tiers, and stores without a choice of tiles. Implementations are public classes with a public no-argument
 * constructor.
 */
public interface ValueTierProvider {

    /** The name it is logged under. */
    String name();

    /** Device bytes that {@link #open} takes for its tables beside the slab. */
    long deviceTableBytes(CacheGeometry geometry, PlacementPolicy.Offloaded placement, int hostBlocks);

    /**
     * Opens a tier.
     *
     * @param device where memory is taken; the store is {@code hostBlocks * blockBytes} of {@code Tier.HOST}
     * @param kernels over the slab
     * @param placement what to fetch
     * @param tileCacheBlocks block ids of the slab that are the tile cache's, for good
     * @param hostBlocks homes
     */
    ValueTier open(
            Device device,
            CacheGeometry geometry,
            AttentionKernels kernels,
            PlacementPolicy.Offloaded placement,
            int[] tileCacheBlocks,
            int hostBlocks);

    /**
     * Opens a store for a cache that keeps V in device memory: what suspended sequences move to.
     *
     * @param device where memory is taken, {@code hostBlocks * blockBytes} of {@code Tier.HOST}
     * @param kernels over the slab
     * @param hostBlocks homes, 0 or more
     */
    BlockStore openStore(Device device, CacheGeometry geometry, AttentionKernels kernels, int hostBlocks);
}
