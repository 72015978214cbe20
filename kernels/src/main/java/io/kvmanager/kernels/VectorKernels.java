package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.ShadowLayout;
import io.kvmanager.spi.TileList;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.MemorySegment;

/**
 * The kernels in the Vector API: {@link VectorScores} and {@link VectorValues} for decode, {@link VectorPrompt} and
 * {@link VectorColumns} for prompts. What only copies is {@link BlockRows}, as in the plain kernels.
 */
final class VectorKernels implements AttentionKernels {
    private final BlockRows rows;
    private final BlockShadows sealing;
    private final VectorShadows shadows;
    private final VectorScores scores;
    private final VectorValues values;
    private final VectorPrompt prompt;
    private final VectorColumns columns;

    VectorKernels(CacheGeometry geometry, MemorySegment slab, WorkerGroup workers) {
        rows = new BlockRows(geometry, slab);
        sealing = new BlockShadows(geometry, slab, rows);
        shadows = new VectorShadows(geometry, slab, rows, workers);
        scores = new VectorScores(geometry, slab, rows, workers);
        values = new VectorValues(geometry, slab, workers);
        prompt = new VectorPrompt(geometry, slab, rows, workers);
        columns = new VectorColumns(geometry, slab, rows, workers);
    }

    @Override
    public String name() {
        return VectorSupport.NAME;
    }

    @Override
    public void zero(int blockId) {
        rows.zero(blockId);
    }

    @Override
    public void copyBlock(int fromBlockId, int toBlockId) {
        rows.copyBlock(fromBlockId, toBlockId);
    }

    @Override
    public void append(Role role, MemorySegment table, int firstSlot, MemorySegment from, int count) {
        rows.append(role, table, firstSlot, from, count);
    }

    @Override
    public void read(Role role, MemorySegment table, int firstSlot, MemorySegment to, int count) {
        rows.read(role, table, firstSlot, to, count);
    }

    @Override
    public void attendPrompt(
            MemorySegment q,
            int rowCount,
            int firstSlot,
            MemorySegment keyTable,
            MemorySegment valueTable,
            MemorySegment out,
            MemorySegment logSumExp) {
        prompt.attend(q, rowCount, firstSlot, keyTable, valueTable, out, logSumExp);
    }

    @Override
    public void scores(MemorySegment q, MemorySegment keyTable, int tokens, AttentionWorkspace workspace) {
        scores.scores(q, keyTable, tokens, workspace);
    }

    @Override
    public void values(MemorySegment weights, int stride, TileList tiles, MemorySegment out, boolean accumulate) {
        values.values(weights, stride, tiles, out, accumulate);
    }

    @Override
    public void columnScores(
            MemorySegment q,
            MemorySegment logSumExp,
            MemorySegment rowWeights,
            int rowCount,
            MemorySegment keyTable,
            int firstSlot,
            int count,
            MemorySegment out) {
        columns.scores(q, logSumExp, rowWeights, rowCount, keyTable, firstSlot, count, out);
    }

    @Override
    public void compact(
            Role role, MemorySegment fromTable, MemorySegment toTable, MemorySegment kept, int firstSlot, int count) {
        rows.compact(role, fromTable, toTable, kept, firstSlot, count);
    }

    @Override
    public void copyRow(Role role, int kvHead, int fromBlockId, int fromSlot, int toBlockId, int toSlot) {
        rows.copyRow(role, kvHead, fromBlockId, fromSlot, toBlockId, toSlot);
    }

    @Override
    public void summarise(int blockId, int summaryBlockId, int summarySlot) {
        rows.summarise(blockId, summaryBlockId, summarySlot);
    }

    @Override
    public boolean certifies() {
        return true;
    }

    @Override
    public void reach(int blockId, MemorySegment reaches, int index) {
        sealing.reach(blockId, reaches, index);
    }

    @Override
    public void reachFromMean(int blockId, int summaryBlockId, int summarySlot, MemorySegment reaches, int index) {
        sealing.reachFromMean(blockId, summaryBlockId, summarySlot, reaches, index);
    }

    @Override
    public void quantise(
            ShadowLayout layout,
            int blockId,
            int codeBlockId,
            int place,
            int rangeBlockId,
            int range,
            MemorySegment reaches,
            int index) {
        sealing.quantise(layout, blockId, codeBlockId, place, rangeBlockId, range, reaches, index);
    }

    @Override
    public void shadowValues(
            ShadowLayout layout,
            AttentionWorkspace workspace,
            DeviceCount blocks,
            MemorySegment codes,
            MemorySegment ranges,
            MemorySegment out) {
        shadows.add(layout, workspace, blocks.value(), codes, ranges, out);
    }

    @Override
    public void store(int blockId, MemorySegment host, long hostOffset) {
        rows.store(blockId, host, hostOffset);
    }

    @Override
    public void load(MemorySegment host, long hostOffset, int blockId) {
        rows.load(host, hostOffset, blockId);
    }

    @Override
    public void loadTile(MemorySegment host, long hostOffset, int tileIndex) {
        rows.loadTile(host, hostOffset, tileIndex);
    }
}
