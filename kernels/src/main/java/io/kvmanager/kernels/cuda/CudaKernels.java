package io.kvmanager.kernels.cuda;

import static io.kvmanager.kernels.cuda.Kernel.COUNT;
import static io.kvmanager.kernels.cuda.Kernel.INT;
import static io.kvmanager.kernels.cuda.Kernel.POINTER;
import static io.kvmanager.kernels.cuda.Kernel.THREADS;
import static io.kvmanager.kernels.cuda.KernelLayout.SHAPE;
import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.ShadowLayout;
import io.kvmanager.spi.TileList;
import java.lang.foreign.MemorySegment;
import java.util.Locale;

/**
 * The kernels over one slab: {@code rows.cu} and {@code prompt.cu} here, {@code scores.cu} and {@code values.cu} in
 * {@link DecodeKernels}. A call launches and returns; nothing here waits for the device.
 */
final class CudaKernels implements AttentionKernels {
    private static final int COPY_BYTES_PER_CTA = 16 << 10;
    private static final int COMPACT_COLUMNS = 4;

    private final CudaDevice device;
    private final CacheGeometry geometry;
    private final MemorySegment slab;
    private final MemorySegment shape;
    private final DecodeKernels decode;
    private final ShadowKernels shadows;
    private final Kernel zero;
    private final Kernel copyBlock;
    private final Kernel loadTile;
    private final Kernel append;
    private final Kernel read;
    private final Kernel summarise;
    private final Kernel rememberStatistics;
    private final Kernel compact;
    private final int compactUnits;
    private final Kernel attendPrompt;
    private final Kernel columnScores;

    CudaKernels(CudaDevice device, CacheGeometry geometry, MemorySegment slab) {
        this.device = device;
        this.geometry = geometry;
        this.slab = slab;
        this.shape = KernelLayout.shape(device.arena(), geometry, slab);
        String type = "_" + geometry.elementType().name().toLowerCase(Locale.ROOT);
        zero = kernel("rows", "zero_block", INT);
        copyBlock = kernel("rows", "copy_block", INT, INT);
        loadTile = kernel("rows", "load_tile", POINTER, INT);
        append = kernel("rows", "append" + type, POINTER, COUNT, INT, POINTER, INT);
        read = kernel("rows", "read" + type, POINTER, INT, POINTER);
        summarise = kernel("rows", "summarise" + type, INT, INT, INT);
        rememberStatistics = kernel("rows", "remember_statistics", COUNT, POINTER, POINTER);
        int unit = geometry.rowBytes() % KernelLayout.VECTOR_BYTES == 0 ? KernelLayout.VECTOR_BYTES : 2;
        compact = kernel("rows", "compact_" + unit, POINTER, POINTER, POINTER, INT, INT);
        compactUnits = geometry.rowBytes() / unit;
        attendPrompt = kernel("prompt", "attend_prompt" + type, POINTER, INT, INT, POINTER, POINTER, POINTER, POINTER);
        columnScores =
                kernel("prompt", "column_scores" + type, POINTER, POINTER, POINTER, INT, POINTER, INT, INT, POINTER);
        decode = new DecodeKernels(this, type);
        shadows = new ShadowKernels(this, type);
    }

    /** A kernel whose first parameter is this slab's shape; {@code sizes} are those of the others. */
    Kernel kernel(String module, String name, int... sizes) {
        int[] all = new int[sizes.length + 1];
        all[0] = SHAPE;
        System.arraycopy(sizes, 0, all, 1, sizes.length);
        return new Kernel(device, module, name, all).setStructure(0, shape);
    }

    CudaDevice device() {
        return device;
    }

    CacheGeometry geometry() {
        return geometry;
    }

    @Override
    public String name() {
        return "cuda";
    }

    // ---- blocks ----

    @Override
    public void zero(int blockId) {
        device.beforeLaunchBehindStores();
        zero.set(1, blockId).launch(copyCtas(), 1, 1, THREADS);
    }

    @Override
    public void copyBlock(int fromBlockId, int toBlockId) {
        device.beforeLaunchBehindStores();
        copyBlock.set(1, fromBlockId).set(2, toBlockId).launch(copyCtas(), 1, 1, THREADS);
    }

    private int copyCtas() {
        return Math.ceilDiv(geometry.blockBytes(), COPY_BYTES_PER_CTA);
    }

    @Override
    public void store(int blockId, MemorySegment host, long hostOffset) {
        device.context().enterOutsideOfCapture("storing a block");
        host.asSlice(hostOffset, geometry.blockBytes());
        long to = host.address() + hostOffset;
        long from = slab.address() + geometry.blockOffset(blockId);
        device.transfers().store(from, device.memory().pinned(to), to, geometry.blockBytes());
    }

    @Override
    public void load(MemorySegment host, long hostOffset, int blockId) {
        device.context().enterOutsideOfCapture("loading a block");
        host.asSlice(hostOffset, geometry.blockBytes());
        long from = host.address() + hostOffset;
        long to = slab.address() + geometry.blockOffset(blockId);
        device.transfers().load(device.memory().pinned(from), from, to, geometry.blockBytes());
    }

    @Override
    public void loadTile(MemorySegment host, long hostOffset, int tileIndex) {
        device.beforeLaunchBehindStores();
        host.asSlice(hostOffset, geometry.tileBytes());
        loadTile.set(1, host.address() + hostOffset).set(2, tileIndex).launch(1, 1, 1, THREADS);
    }

    // ---- rows ----

    @Override
    public void append(Role role, MemorySegment table, int firstSlot, MemorySegment rows, int count) {
        append.setCount(2, firstSlot + count);
        append(table, rows, count, /* slotsPerEntry */ 1);
    }

    @Override
    public void append(Role role, MemorySegment table, DeviceCount end, MemorySegment rows, int count) {
        append.set(2, end);
        append(table, rows, count, /* slotsPerEntry */ 1);
    }

    private void append(MemorySegment table, MemorySegment rows, int count, int slotsPerEntry) {
        if (count > 0) {
            device.beforeLaunchBehindStores();
            append.set(1, table)
                    .set(3, slotsPerEntry)
                    .set(4, rows)
                    .set(5, count)
                    .launch(count, geometry.kvHeads(), 1, THREADS);
        }
    }

    @Override
    public void remember(
            CacheGeometry ofCache,
            MemorySegment table,
            MemorySegment logSumExp,
            DeviceCount end,
            MemorySegment q,
            MemorySegment statistics) {
        append.set(2, end);
        append(table, q, geometry.groupSize(), geometry.groupSize());
        rememberStatistics.set(1, end).set(2, statistics).set(3, logSumExp).launch(1, 1, 1, THREADS);
    }

    @Override
    public void read(Role role, MemorySegment table, int firstSlot, MemorySegment rows, int count) {
        if (count > 0) {
            device.beforeLaunch();
            read.set(1, table).set(2, firstSlot).set(3, rows).launch(count, geometry.kvHeads(), 1, THREADS);
        }
    }

    @Override
    public void copyRow(Role role, int kvHead, int fromBlockId, int fromSlot, int toBlockId, int toSlot) {
        long from = geometry.rowOffset(fromBlockId, kvHead, fromSlot);
        long to = geometry.rowOffset(toBlockId, kvHead, toSlot);
        device.copy(slab, from, slab, to, geometry.rowBytes());
    }

    @Override
    public void compact(
            Role role, MemorySegment fromTable, MemorySegment toTable, MemorySegment kept, int firstSlot, int count) {
        if (count > 0) {
            device.beforeLaunchBehindStores();
            compact.set(1, fromTable)
                    .set(2, toTable)
                    .set(3, kept)
                    .set(4, firstSlot)
                    .set(5, count)
                    .launch(Math.ceilDiv(compactUnits, COMPACT_COLUMNS), geometry.kvHeads(), 1, THREADS);
        }
    }

    @Override
    public void summarise(int blockId, int summaryBlockId, int summarySlot) {
        device.beforeLaunchBehindStores();
        summarise.set(1, blockId).set(2, summaryBlockId).set(3, summarySlot).launch(geometry.kvHeads(), 1, 1, THREADS);
    }

    // ---- shadows and bounds ----

    @Override
    public boolean certifies() {
        return true;
    }

    @Override
    public void reach(int blockId, MemorySegment reaches, int index) {
        shadows.reach(blockId, ABSENT, 0, reaches, index);
    }

    @Override
    public void reachFromMean(int blockId, int summaryBlockId, int summarySlot, MemorySegment reaches, int index) {
        shadows.reach(blockId, summaryBlockId, summarySlot, reaches, index);
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
        shadows.quantise(layout, blockId, codeBlockId, place, rangeBlockId, range, reaches, index);
    }

    @Override
    public void shadowValues(
            ShadowLayout layout,
            AttentionWorkspace workspace,
            DeviceCount blocks,
            MemorySegment codes,
            MemorySegment ranges,
            MemorySegment out) {
        shadows.add(layout, workspace, blocks, codes, ranges, out);
    }

    // ---- many queries ----

    @Override
    public void attendPrompt(
            MemorySegment q,
            int rows,
            int firstSlot,
            MemorySegment keyTable,
            MemorySegment valueTable,
            MemorySegment out,
            MemorySegment logSumExp) {
        device.beforeLaunch();
        attendPrompt
                .set(1, q)
                .set(2, rows)
                .set(3, firstSlot)
                .set(4, keyTable)
                .set(5, valueTable)
                .set(6, out)
                .set(7, logSumExp)
                .launch(
                        Math.ceilDiv(rows, KernelLayout.PROMPT_ROWS),
                        geometry.queryHeads(),
                        Math.ceilDiv(geometry.headSize(), KernelLayout.PROMPT_COLUMNS),
                        THREADS);
    }

    @Override
    public void columnScores(
            MemorySegment q,
            MemorySegment logSumExp,
            MemorySegment rowWeights,
            int rows,
            MemorySegment keyTable,
            int firstSlot,
            int count,
            MemorySegment out) {
        if (count > 0) {
            device.beforeLaunch();
            columnScores
                    .set(1, q)
                    .set(2, logSumExp)
                    .set(3, rowWeights)
                    .set(4, rows)
                    .set(5, keyTable)
                    .set(6, firstSlot)
                    .set(7, count)
                    .set(8, out)
                    .launch(Math.ceilDiv(count, KernelLayout.SCORED_COLUMNS), 1, 1, THREADS);
        }
    }

    // ---- one query ----

    @Override
    public void scores(MemorySegment q, MemorySegment keyTable, int tokens, AttentionWorkspace workspace) {
        decode.scores(q, keyTable, tokens, workspace);
    }

    @Override
    public void scores(MemorySegment q, MemorySegment keyTable, DeviceCount tokens, AttentionWorkspace workspace) {
        decode.scores(q, keyTable, tokens, workspace);
    }

    @Override
    public void values(MemorySegment weights, int stride, TileList tiles, MemorySegment out, boolean accumulate) {
        decode.values(weights, stride, tiles, out, accumulate);
    }

    @Override
    public void list(CacheGeometry ofCache, MemorySegment table, DeviceCount blocks, TileList tiles) {
        decode.list(table, blocks, tiles);
    }

    @Override
    public void renormalise(
            CacheGeometry ofCache, AttentionWorkspace workspace, DeviceCount blocks, MemorySegment out) {
        decode.renormalise(workspace, blocks, out);
    }
}
