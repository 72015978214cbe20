package io.kvmanager.offload;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.TileList;
import io.kvmanager.spi.ValueTier;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * V's home in host memory. Owns its parts; the memory is the device's, so closing only ends the use.
 *
 * <p>One step, {@link #select}:
 * <ol>
 *   <li>read masses and tables, and refuse homes that are free
 *   <li>choose each KV head's tiles
 *   <li>touch all chosen tiles that are in the tile cache
 *   <li>list, in ascending logical block order, what each KV head reads: resident blocks and chosen tiles; chosen tiles
 *       that are absent are fetched here
 *   <li>write the mass of the rest, and count
 * </ol>
 */
final class HostValueTier implements ValueTier {
    private final CacheGeometry geometry;
    private final AttentionKernels kernels;
    private final HostStore store;
    private final TileCache cache;
    private final ValueSelector selector;
    private boolean closed;

    HostValueTier(
            Device device,
            CacheGeometry geometry,
            AttentionKernels kernels,
            PlacementPolicy.Offloaded placement,
            int[] tileCacheBlocks,
            int hostBlocks) {
        this.geometry = geometry;
        this.kernels = kernels;
        this.store = new HostStore(device, geometry, hostBlocks);
        this.cache = new TileCache(device, geometry, kernels, store, tileCacheBlocks, hostBlocks);
        this.selector = new ValueSelector(geometry, placement.selection());
    }

    @Override
    public boolean tryReserve(int blocks) {
        requireOpen();
        return store.tryReserve(blocks);
    }

    @Override
    public void unreserve(int blocks) {
        requireOpen();
        store.unreserve(blocks);
    }

    @Override
    public int store(int blockId) {
        requireOpen();
        // Taken after the copy: if that fails, home and reservation are as they were.
        kernels.store(blockId, store.memory(), store.offset(store.next()));
        return store.take();
    }

    @Override
    public void load(int home, int blockId) {
        requireOpen();
        store.requireUsed(home);
        kernels.load(store.memory(), store.offset(home), blockId);
    }

    @Override
    public void retain(int home) {
        requireOpen();
        store.retain(home);
    }

    @Override
    public void release(int home) {
        requireOpen();
        if (store.release(home)) {
            cache.invalidate(home);
        }
    }

    @Override
    public int references(int home) {
        requireOpen();
        return store.references(home);
    }

    @Override
    public void select(
            AttentionWorkspace workspace,
            int blocks,
            MemorySegment valueTable,
            MemorySegment homeTable,
            FetchTally tally) {
        requireOpen();
        selector.read(workspace, blocks, valueTable, homeTable);
        for (int block = 0; block < blocks; block++) {
            if (!selector.isResident(block)) {
                store.requireUsed(selector.home(block));
            }
        }
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
        selector.writeRest(workspace.rest());
        tally.attention(selector.missedMean(), selector.missedMax());
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
            tally.hit();
            return slot;
        }
        slot = cache.fetch(home, kvHead);
        tally.miss(geometry.tileBytes());
        return slot;
    }

    @Override
    public int usedBlocks() {
        return store.used();
    }

    @Override
    public int peakBlocks() {
        return store.peakUsed();
    }

    @Override
    public int availableBlocks() {
        return store.available();
    }

    @Override
    public List<String> audit() {
        requireOpen();
        List<String> found = new ArrayList<>(store.audit());
        found.addAll(cache.audit());
        return found;
    }

    @Override
    public void close() {
        closed = true;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the value tier is closed");
        }
    }
}
