package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.ValueTier;
import java.util.List;

/** The value tier of a cache that keeps V in device memory: it has no homes, and a step reads every block. */
final class ResidentValues implements ValueTier {
    private final CacheGeometry geometry;
    private final AttentionKernels kernels;

    ResidentValues(CacheGeometry geometry, AttentionKernels kernels) {
        this.geometry = geometry;
        this.kernels = kernels;
    }

    @Override
    public boolean tryReserve(int blocks) {
        return blocks == 0;
    }

    @Override
    public void unreserve(int blocks) {
        if (blocks != 0) {
            throw noHomes();
        }
    }

    @Override
    public int store(int blockId) {
        throw noHomes();
    }

    @Override
    public void load(int home, int blockId) {
        throw noHomes();
    }

    @Override
    public void retain(int home) {
        throw noHomes();
    }

    @Override
    public void release(int home) {
        throw noHomes();
    }

    @Override
    public int references(int home) {
        throw noHomes();
    }

    @Override
    public void select(
            AttentionWorkspace workspace,
            DeviceCount blocks,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally) {
        kernels.list(geometry, valueTable.memory(), blocks, workspace.tiles());
    }

    @Override
    public int usedBlocks() {
        return 0;
    }

    @Override
    public int peakBlocks() {
        return 0;
    }

    @Override
    public int availableBlocks() {
        return 0;
    }

    @Override
    public List<String> audit() {
        return List.of();
    }

    @Override
    public void close() {
        // holds nothing
    }

    private static IllegalStateException noHomes() {
        return new IllegalStateException("this cache keeps V in device memory and has no homes");
    }
}
