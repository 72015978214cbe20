package io.kvmanager.offload;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheException.ProviderUnusable;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.BlockStore;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.TileResidency;
import io.kvmanager.spi.ValueTier;
import io.kvmanager.spi.ValueTierProvider;
import java.util.Arrays;

/** Keeps V in the host memory of the cache's device, and fetched tiles in blocks of the cache's slab. */
public final class HostValueTierProvider implements ValueTierProvider {

    /** For {@link java.util.ServiceLoader}. */
    public HostValueTierProvider() {}

    @Override
    public String name() {
        return "host";
    }

    @Override
    public long deviceTableBytes(CacheGeometry geometry, PlacementPolicy.Offloaded placement, int hostBlocks) {
        return TileResidency.tableBytes(geometry, placement.tileCacheBlocks(geometry), hostBlocks)
                + HostValueTier.reachBytes(geometry, hostBlocks);
    }

    /**
     * Opens a tier. {@code tileCacheBlocks} are exactly as many as hold {@code placement.tileCacheTiles()}, rounded up,
     * and their tiles suffice for the most that one step can select, except under {@code certified}.
     *
     * @throws ProviderUnusable if the device has not the shadows or the bound that are asked for
     */
    @Override
    public ValueTier open(
            Device device,
            CacheGeometry geometry,
            AttentionKernels kernels,
            PlacementPolicy.Offloaded placement,
            int[] tileCacheBlocks,
            int hostBlocks) {
        int blocks = placement.tileCacheBlocks(geometry);
        if (tileCacheBlocks.length != blocks) {
            throw new IllegalArgumentException(
                    tileCacheBlocks.length + " tile cache blocks are not accepted; accepted: "
                            + blocks + ", for tileCacheTiles " + placement.tileCacheTiles() + " and kvHeads "
                            + geometry.kvHeads());
        }
        boolean certified = placement.selection() instanceof ValueSelection.Certified;
        if ((certified || placement.compensation().shadows()) && !kernels.certifies()) {
            throw new ProviderUnusable("device '" + device.description() + "' has neither selection certified nor "
                    + "compensation int4 and int8; accepted: topN, nucleus with none, renormalise, mean");
        }
        long slots = (long) blocks * geometry.kvHeads();
        long most = certified
                ? 0
                : (long) geometry.kvHeads() * Math.min(placement.selection().maxTiles(), Math.max(hostBlocks, 0));
        if (slots < most) {
            throw new IllegalArgumentException("tileCacheTiles " + placement.tileCacheTiles()
                    + " is not accepted; accepted: " + most + " or more, for selection " + placement.selection());
        }
        if (hostBlocks < 0 || (long) hostBlocks * geometry.kvHeads() > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(hostBlocks + " host blocks are not accepted; accepted: 0 to "
                    + Integer.MAX_VALUE / geometry.kvHeads());
        }
        return new HostValueTier(
                device,
                geometry,
                kernels,
                placement,
                Arrays.stream(tileCacheBlocks).boxed().toList(),
                hostBlocks);
    }

    @Override
    public BlockStore openStore(Device device, CacheGeometry geometry, AttentionKernels kernels, int hostBlocks) {
        return new HostBlockStore(device, geometry, kernels, hostBlocks);
    }
}
