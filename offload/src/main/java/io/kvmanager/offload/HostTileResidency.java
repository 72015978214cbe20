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
import io.kvmanager.spi.TileList;
import io.kvmanager.spi.TileResidency;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/**
 * Choice and residency of value tiles by the host, in device memory that it can address.
 *
 * <p>One step, {@link #select}:
 * <ol>
 *   <li>read masses and tables
 *   <li>choose each KV head's tiles
 *   <li>touch all chosen tiles that are in the tile cache
 *   <li>fetch chosen tiles that are absent; what does not fit stays in place
 *   <li>list, in ascending logical block order, what each KV head reads: resident blocks and chosen tiles; those in
 *       place have a list of their own
 *   <li>write the mass of the rest, and count
 * </ol>
 * Under {@code certified} a step chooses nothing at first; {@link #refine} chooses by {@link Certificate}, and goes on
 * as from step 3.
 */
final class HostTileResidency implements TileResidency {
    private final CacheGeometry geometry;
    private final TileCache cache;
    private final ValueSelector selector;
    private final Certificate certificate;
    private final boolean certifies;
    private final int[] chosen;
    private int[] chosenBlocks = {};
    private int blocks;

    HostTileResidency(Device device, AttentionKernels kernels, Request request) {
        geometry = request.geometry();
        cache = new TileCache(device, kernels, request);
        selector = new ValueSelector(geometry, request.selection());
        certificate = new Certificate(geometry, request.selection(), request.compensation());
        certifies = request.selection() instanceof ValueSelection.Certified;
        chosen = new int[geometry.kvHeads()];
    }

    @Override
    public void select(
            AttentionWorkspace workspace,
            DeviceCount blockCount,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally) {
        blocks = blockCount.value();
        selector.read(workspace, blocks, valueTable.memory(), homeTable.memory());
        cache.beginStep();
        begin(workspace);
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            selector.choose(kvHead);
            for (int i = 0; i < selector.chosenCount(); i++) {
                want(kvHead, selector.chosen(i));
            }
        }
        bring(workspace, tally);
        if (!certifies) {
            selector.countMissed(tally);
        }
    }

    @Override
    public boolean refine(
            AttentionWorkspace workspace, MemorySegment reaches, MemorySegment out, int round, FetchTally tally) {
        certificate.read(out, workspace);
        begin(workspace);
        boolean any = false;
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            int count = certificate.refine(kvHead, round, selector, reaches);
            for (int i = 0; i < count; i++) {
                int block = certificate.chosen(i, selector);
                selector.markRead(kvHead, block);
                want(kvHead, block);
                any = true;
            }
        }
        if (any) {
            bring(workspace, tally);
        }
        return any;
    }

    @Override
    public void account(AttentionWorkspace workspace, MemorySegment reaches, MemorySegment out, FetchTally tally) {
        certificate.read(out, workspace);
        certificate.account(selector, reaches, tally);
        if (certifies) {
            selector.countMissed(tally);
        }
    }

    private void begin(AttentionWorkspace workspace) {
        int most = geometry.kvHeads() * workspace.maxBlocks();
        if (chosenBlocks.length < most) {
            chosenBlocks = new int[most];
        }
        Arrays.fill(chosen, 0);
    }

    /** Notes a tile that was chosen, and keeps it if it is present. */
    private void want(int kvHead, int block) {
        chosenBlocks[kvHead * (chosenBlocks.length / chosen.length) + chosen[kvHead]++] = block;
        cache.touch(selector.home(block), kvHead);
    }

    /** Fetches the tiles that were chosen, and writes lists and rest. */
    private void bring(AttentionWorkspace workspace, FetchTally tally) {
        workspace.tiles().clear();
        workspace.inPlaceTiles().clear();
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            int from = kvHead * (chosenBlocks.length / chosen.length);
            Arrays.sort(chosenBlocks, from, from + chosen[kvHead]);
            for (int i = 0; i < chosen[kvHead]; i++) {
                fetch(selector.home(chosenBlocks[from + i]), kvHead, tally);
            }
            list(kvHead, workspace.tiles(), workspace.inPlaceTiles());
        }
        selector.writeRest(workspace.rest());
    }

    private void fetch(int home, int kvHead, FetchTally tally) {
        if (cache.slot(home, kvHead) != ABSENT) {
            tally.hit(kvHead);
        } else if (cache.fetch(home, kvHead) != ABSENT) {
            tally.miss(kvHead, geometry.tileBytes());
        } else {
            tally.inPlace(kvHead, geometry.tileBytes());
        }
    }

    private void list(int kvHead, TileList tiles, TileList inPlace) {
        for (int block = 0; block < blocks; block++) {
            if (selector.isResident(block)) {
                tiles.add(kvHead, block, geometry.tileIndex(selector.blockId(block), kvHead));
            } else if (selector.isRead(kvHead, block)) {
                int home = selector.home(block);
                int slot = cache.slot(home, kvHead);
                if (slot != ABSENT) {
                    tiles.add(kvHead, block, cache.slabTile(slot));
                } else {
                    inPlace.add(kvHead, block, geometry.tileIndex(home, kvHead));
                }
            }
        }
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
