package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.BlockStore;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.ValueTables;
import io.kvmanager.spi.ValueTier;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** The value tier of a cache that keeps V in device memory: a step reads every block; homes are for suspension only. */
final class ResidentValues implements ValueTier {
    private final CacheGeometry geometry;
    private final AttentionKernels kernels;
    private final BlockStore store;

    ResidentValues(CacheGeometry geometry, AttentionKernels kernels, BlockStore store) {
        this.geometry = geometry;
        this.kernels = kernels;
        this.store = store;
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
    public void attend(AttentionWorkspace workspace, ValueTables tables, MemorySegment out, FetchTally tally) {
        select(workspace, tables.blocks(), tables.values(), tables.homes(), tally);
        kernels.values(workspace.weights(), workspace.maxTokens(), workspace.tiles(), out, false);
    }

    @Override
    public void seal(int blockId, int home, int summaryBlockId, int summary, int codeBlockId, int place) {
        throw new IllegalStateException("V that stays in device memory needs nothing to stand in for it");
    }

    @Override
    public boolean tryReserve(int blocks) {
        return store.tryReserve(blocks);
    }

    @Override
    public void unreserve(int blocks) {
        store.unreserve(blocks);
    }

    @Override
    public int store(int blockId) {
        return store.store(blockId);
    }

    @Override
    public void load(int home, int blockId) {
        store.load(home, blockId);
    }

    @Override
    public void retain(int home) {
        store.retain(home);
    }

    @Override
    public void release(int home) {
        store.release(home);
    }

    @Override
    public int references(int home) {
        return store.references(home);
    }

    @Override
    public int usedBlocks() {
        return store.usedBlocks();
    }

    @Override
    public int peakBlocks() {
        return store.peakBlocks();
    }

    @Override
    public int availableBlocks() {
        return store.availableBlocks();
    }

    @Override
    public List<String> audit() {
        return store.audit();
    }

    @Override
    public void close() {
        store.close();
    }
}
