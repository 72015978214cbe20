package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.ValueTier;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** The value tier of a cache that keeps V in device memory: it has no homes, and a step reads every block. */
final class ResidentValues implements ValueTier {
    private final CacheGeometry geometry;

    ResidentValues(CacheGeometry geometry) {
        this.geometry = geometry;
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
            int blocks,
            MemorySegment valueTable,
            MemorySegment homeTable,
            FetchTally tally) {
        workspace.tiles().clear();
        workspace.tiles().addBlocks(geometry, valueTable, blocks);
        tally.attention(0, 0);
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
