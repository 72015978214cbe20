package io.kvmanager.offload;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.TileResidency;
import io.kvmanager.spi.ValueTier;
import java.util.List;

/**
 * V's home in host memory. Owns its parts; the memory is the device's, so closing only ends the use. What a step reads
 * is decided by the device's own {@link TileResidency} if it has one, else by {@link HostTileResidency}.
 */
final class HostValueTier extends HostBlockStore implements ValueTier {
    private final TileResidency residency;
    private final boolean hostChooses;

    HostValueTier(
            Device device,
            CacheGeometry geometry,
            AttentionKernels kernels,
            ValueSelection selection,
            List<Integer> tileCacheBlocks,
            int hostBlocks) {
        super(device, geometry, kernels, hostBlocks);
        TileResidency.Request request =
                new TileResidency.Request(geometry, selection, homes().memory(), hostBlocks, tileCacheBlocks);
        TileResidency own = device.tileResidency(kernels, request);
        this.hostChooses = own == null;
        this.residency = own != null ? own : new HostTileResidency(device, kernels, request);
    }

    @Override
    void freed(int home) {
        residency.invalidate(home);
    }

    @Override
    public void select(
            AttentionWorkspace workspace,
            DeviceCount blocks,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally) {
        requireOpen();
        // Where the device chooses, a look at every block would cost the host more than the launch; audits look.
        for (int block = 0; hostChooses && block < blocks.value(); block++) {
            if (valueTable.get(block) == ABSENT) {
                homes().requireUsed(homeTable.get(block));
            }
        }
        tally.withoutBound();
        residency.select(workspace, blocks, valueTable, homeTable, tally);
    }

    @Override
    public List<String> audit() {
        List<String> found = super.audit();
        found.addAll(residency.audit(homes().referenceCounts()));
        return found;
    }
}
