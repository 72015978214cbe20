package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.TileResidency;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Fetches tiles by the throw of a die and keeps none, so that over many steps every tile is read. */
final class RandomResidency implements TileResidency {
    private final ProbingKernels kernels;
    private final Request request;
    private final CacheGeometry geometry;
    private final VirtualDevice device;
    private final SplittableRandom random;

    RandomResidency(ProbingKernels kernels, Request request, VirtualDevice device, SplittableRandom random) {
        this.kernels = kernels;
        this.request = request;
        this.geometry = request.geometry();
        this.device = device;
        this.random = random;
    }

    @Override
    public void select(
            AttentionWorkspace workspace,
            DeviceCount blocks,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally) {
        int[] ids = device.tableAt(valueTable.memory()).copy(blocks.value());
        List<ProbingKernels.Tile> fetched = new ArrayList<>();
        List<Integer> dropped = new ArrayList<>();
        for (int block = 0; block < ids.length; block++) {
            if (ids[block] == ABSENT) {
                long home = (long) homeTable.get(block) * geometry.blockBytes();
                dropped.add(block);
                kernels.requireHome(request.store(), home, block);
                for (int head = 0; head < geometry.kvHeads(); head++) {
                    int slot = fetched.size();
                    if (slot < request.tileCacheBlocks().size() * geometry.kvHeads() && random.nextBoolean()) {
                        int cacheBlock = request.tileCacheBlocks().get(slot / geometry.kvHeads());
                        int tile = geometry.tileIndex(cacheBlock, slot % geometry.kvHeads());
                        kernels.loadTile(request.store(), home + (long) head * geometry.tileBytes(), tile);
                        fetched.add(new ProbingKernels.Tile(head, block, tile));
                    }
                }
            }
        }
        kernels.listed(
                workspace.tiles(),
                ids,
                fetched,
                dropped.stream().mapToInt(Integer::intValue).toArray());
    }

    @Override
    public void invalidate(int home) {}

    @Override
    public List<String> audit(int[] references) {
        return List.of();
    }
}
