package io.kvmanager.offload;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.ShadowLayout;
import io.kvmanager.spi.TileResidency;
import io.kvmanager.spi.ValueTables;
import io.kvmanager.spi.ValueTier;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * V's home in host memory. Owns its parts; the memory is the device's, so closing only ends the use. What a step reads
 * is decided by the device's own {@link TileResidency} if it has one, else by {@link HostTileResidency}.
 *
 * <p>An attention, {@link #attend}:
 * <ol>
 *   <li>select
 *   <li>output = weights × values of the selected tiles, in device memory and in place, plus what stands in for
 *       the rest
 *   <li>under {@code certified}, select more by the bound and compute again, until the bound is met
 *   <li>count the bound
 * </ol>
 */
final class HostValueTier extends HostBlockStore implements ValueTier {
    private final CacheGeometry geometry;
    private final AttentionKernels kernels;
    private final Compensation compensation;
    private final TileResidency residency;
    private final boolean hostChooses;
    private final boolean certified;
    private final MemorySegment reaches;
    private final @Nullable AttentionKernels homeKernels;
    private final @Nullable ShadowLayout shadows;

    HostValueTier(
            Device device,
            CacheGeometry geometry,
            AttentionKernels kernels,
            PlacementPolicy.Offloaded placement,
            List<Integer> tileCacheBlocks,
            int hostBlocks) {
        super(device, geometry, kernels, hostBlocks);
        this.geometry = geometry;
        this.kernels = kernels;
        this.compensation = placement.compensation();
        this.certified = placement.selection() instanceof ValueSelection.Certified;
        this.shadows = compensation.shadows() ? ShadowLayout.of(geometry, compensation) : null;
        this.reaches = device.allocate(Tier.DEVICE, reachBytes(geometry, hostBlocks));
        this.homeKernels = certified ? device.kernels(geometry, homes().memory()) : null;
        TileResidency.Request request = new TileResidency.Request(
                geometry, placement.selection(), compensation, homes().memory(), hostBlocks, tileCacheBlocks);
        TileResidency own = device.tileResidency(kernels, request);
        this.hostChooses = own == null;
        this.residency = own != null ? own : new HostTileResidency(device, kernels, request);
    }

    /** Device bytes of the reaches of all homes, {@code [homes][kvHeads]} F32. */
    static long reachBytes(CacheGeometry geometry, int hostBlocks) {
        return 4L * hostBlocks * geometry.kvHeads();
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
        residency.select(workspace, blocks, valueTable, homeTable, tally);
    }

    @Override
    public void attend(AttentionWorkspace workspace, ValueTables tables, MemorySegment out, FetchTally tally) {
        select(workspace, tables.blocks(), tables.values(), tables.homes(), tally);
        if (compensation == Compensation.MEAN) {
            kernels.list(geometry, tables.summaries().memory(), tables.summaryBlocks(), workspace.summaryTiles());
        }
        compute(workspace, tables, out);
        if (!kernels.certifies()) {
            tally.withoutBound();
            return;
        }
        for (int round = 0; certified && round < TileResidency.ROUNDS; round++) {
            if (!residency.refine(workspace, reaches, out, round, tally)) {
                break;
            }
            compute(workspace, tables, out);
        }
        residency.account(workspace, reaches, out, tally);
    }

    /** The output with what is selected. */
    private void compute(AttentionWorkspace workspace, ValueTables tables, MemorySegment out) {
        MemorySegment weights = workspace.weights();
        kernels.values(weights, workspace.maxTokens(), workspace.tiles(), out, false);
        if (homeKernels != null) {
            homeKernels.values(weights, workspace.maxTokens(), workspace.inPlaceTiles(), out, true);
        }
        if (shadows != null) {
            kernels.shadowValues(
                    shadows,
                    workspace,
                    tables.blocks(),
                    tables.codes().memory(),
                    tables.summaries().memory(),
                    out);
        } else if (compensation == Compensation.MEAN) {
            kernels.values(workspace.rest(), workspace.maxBlocks(), workspace.summaryTiles(), out, true);
        } else if (compensation == Compensation.RENORMALISE) {
            kernels.renormalise(geometry, workspace, tables.blocks(), out);
        }
    }

    @Override
    public void seal(int blockId, int home, int summaryBlockId, int summary, int codeBlockId, int place) {
        requireOpen();
        homes().requireUsed(home);
        if (shadows != null) {
            kernels.quantise(shadows, blockId, codeBlockId, place, summaryBlockId, summary, reaches, home);
            return;
        }
        if (compensation == Compensation.MEAN) {
            kernels.summarise(blockId, summaryBlockId, summary);
        }
        if (kernels.certifies() && compensation == Compensation.MEAN) {
            kernels.reachFromMean(blockId, summaryBlockId, summary, reaches, home);
        } else if (kernels.certifies()) {
            kernels.reach(blockId, reaches, home);
        }
    }

    @Override
    public List<String> audit() {
        List<String> found = super.audit();
        found.addAll(residency.audit(homes().referenceCounts()));
        return found;
    }
}
