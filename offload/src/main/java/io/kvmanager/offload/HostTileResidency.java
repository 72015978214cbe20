package io.kvmanager.offload;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.TileList;
import io.kvmanager.spi.TileResidency;
import java.util.List;

/**
 * Choice and residency of value tiles by the host, in device memory that it can address.
 *
 * <p>One step, {@link #select}:
 * <ol>
 *   <li>read masses and tables
 *   <li>choose each KV head's tiles
 *   <li>touch all chosen tiles that are in the tile cache
 *   <li>list, in ascending logical block order, what each KV head reads: resident blocks and chosen tiles; chosen tiles
 *       that are absent are fetched here
 *   <li>write the mass of the rest, and count
 * </ol>
 */
final class HostTileResidency implements TileResidency {
    private final CacheGeometry geometry;
    private final TileCache cache;
    private final ValueSelector selector;

    HostTileResidency(Device device, AttentionKernels kernels, Request request) {
        geometry = request.geometry();
        cache = new TileCache(device, kernels, request);
        selector = new ValueSelector(geometry, request.selection());
    }

    @Override
    public void select(
            AttentionWorkspace workspace,
            DeviceCount blockCount,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally) {
        int blocks = blockCount.value();
        selector.read(workspace, blocks, valueTable.memory(), homeTable.memory());
        cache.beginStep();
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            selector.choose(kvHead);
            for (int i = 0; i < selector.chosenCount(); i++) {
                cache.touch(selector.home(selector.chosen(i)), kvHead);
            }
        }
        TileList tiles = workspace.tiles();
        tiles.clear();
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            list(kvHead, blocks, tiles, tally);
        }
        selector.writeRest(workspace.rest(), tally);
        tally.missed(selector.missedMean(), selector.missedMax(), (long) blocks * geometry.kvHeads());
    }

    private void list(int kvHead, int blocks, TileList tiles, FetchTally tally) {
        for (int block = 0; block < blocks; block++) {
            if (selector.isRead(kvHead, block)) {
                int tile = selector.isResident(block)
                        ? geometry.tileIndex(selector.blockId(block), kvHead)
                        : cache.slabTile(present(selector.home(block), kvHead, tally));
                tiles.add(kvHead, block, tile);
            }
        }
    }

    private int present(int home, int kvHead, FetchTally tally) {
        int slot = cache.slot(home, kvHead);
        if (slot != ABSENT) {
            tally.hit(kvHead);
            return slot;
        }
        slot = cache.fetch(home, kvHead);
        tally.miss(kvHead, geometry.tileBytes());
        return slot;
    }

    @Override
    public void invalidate(int home) {
        cache.invalidate(home);
    }

    @Override
    public List<String> audit(int[] references) {
        return cache.audit(references);
    }
}
