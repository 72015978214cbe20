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
import java.util.ArrayList;
import java.util.List;

/**
 * V's home in host memory. Owns its parts; the memory is the device's, so closing only ends the use. What a step reads
 * is decided by the device's own {@link TileResidency} if it has one, else by {@link HostTileResidency}.
 */
final class HostValueTier implements ValueTier {
    private final AttentionKernels kernels;
    private final HostStore store;
    private final TileResidency residency;
    private boolean closed;

    HostValueTier(
            Device device,
            CacheGeometry geometry,
            AttentionKernels kernels,
            ValueSelection selection,
            List<Integer> tileCacheBlocks,
            int hostBlocks) {
        this.kernels = kernels;
        this.store = new HostStore(device, geometry, hostBlocks);
        TileResidency.Request request =
                new TileResidency.Request(geometry, selection, store.memory(), hostBlocks, tileCacheBlocks);
        TileResidency own = device.tileResidency(kernels, request);
        this.residency = own != null ? own : new HostTileResidency(device, kernels, request);
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
            residency.invalidate(home);
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
            DeviceCount blocks,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally) {
        requireOpen();
        for (int block = 0; block < blocks.value(); block++) {
            if (valueTable.get(block) == ABSENT) {
                store.requireUsed(homeTable.get(block));
            }
        }
        residency.select(workspace, blocks, valueTable, homeTable, tally);
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
        found.addAll(residency.audit(store.referenceCounts()));
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
