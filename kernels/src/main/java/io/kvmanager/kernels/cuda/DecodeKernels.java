package io.kvmanager.kernels.cuda;

import static io.kvmanager.kernels.cuda.Kernel.COUNT;
import static io.kvmanager.kernels.cuda.Kernel.INT;
import static io.kvmanager.kernels.cuda.Kernel.POINTER;
import static io.kvmanager.kernels.cuda.Kernel.THREADS;
import static io.kvmanager.kernels.cuda.Kernel.TILES;
import static io.kvmanager.kernels.cuda.KernelLayout.NORMALISE_RANGE;
import static io.kvmanager.kernels.cuda.KernelLayout.SCORE_RANGE;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.TileList;
import java.lang.foreign.MemorySegment;

/**
 * Attention of one query, in the order of a step: scores and weights, values, what stands in for the rest.
 *
 * <p>Grids are as large as a count is now, or, where a step is captured, as large as it can become; kernels read the
 * count itself when they run. Partial sums go to the scratch of the workspace whose scores were computed last, and
 * outputs of KV heads that are settled there stay as they are.
 */
final class DecodeKernels {
    private static final int WEIGHTS = 16;

    private final CudaDevice device;
    private final CacheGeometry geometry;
    private final int headChunks;
    private final int columnRanges;
    private final Kernel scores;
    private final Kernel normalise;
    private final Kernel values;
    private final Kernel mergeValues;
    private final Kernel renormalise;
    private final Kernel list;

    DecodeKernels(CudaKernels kernels, String type) {
        device = kernels.device();
        geometry = kernels.geometry();
        headChunks = geometry.kvHeads() * KernelLayout.chunks(geometry);
        int vectors = Math.ceilDiv(geometry.rowBytes(), KernelLayout.VECTOR_BYTES);
        columnRanges = Math.ceilDiv(vectors, KernelLayout.VALUE_COLUMNS);
        String variant = type + "_" + KernelLayout.heads(geometry);
        scores = kernels.kernel("scores", "scores" + variant, POINTER, POINTER, COUNT, POINTER, INT, POINTER, INT);
        normalise = kernels.kernel("scores", "normalise", COUNT, POINTER, INT, POINTER, INT, POINTER, INT, POINTER);
        values = kernels.kernel("values", "values" + variant, WEIGHTS, TILES, POINTER, POINTER, INT, POINTER, INT);
        mergeValues = kernels.kernel("values", "merge_values", TILES, POINTER, POINTER, INT, POINTER, INT);
        renormalise = kernels.kernel("values", "renormalise", POINTER, INT, COUNT, POINTER, POINTER);
        list = kernels.kernel("values", "list_tiles", POINTER, COUNT, TILES);
    }

    void scores(MemorySegment q, MemorySegment keyTable, int tokens, AttentionWorkspace workspace) {
        scores.setCount(3, tokens);
        normalise.setCount(1, tokens);
        scores(q, keyTable, workspace, tokens);
    }

    void scores(MemorySegment q, MemorySegment keyTable, DeviceCount tokens, AttentionWorkspace workspace) {
        scores.set(3, tokens);
        normalise.set(1, tokens);
        scores(q, keyTable, workspace, device.room(tokens));
    }

    private void scores(MemorySegment q, MemorySegment keyTable, AttentionWorkspace workspace, int tokens) {
        if (tokens > workspace.maxTokens()) {
            throw new IllegalArgumentException(
                    tokens + " tokens are not accepted; accepted: 0 to " + workspace.maxTokens());
        }
        device.beforeLaunch();
        device.scratch(workspace.scratch());
        if (tokens == 0) {
            return;
        }
        long scratch = KernelLayout.passing(geometry, workspace.scratch());
        int ranges = Math.ceilDiv(workspace.maxTokens(), SCORE_RANGE);
        scores.set(1, q)
                .set(2, keyTable)
                .set(4, workspace.weights())
                .set(5, workspace.maxTokens())
                .set(6, scratch)
                .set(7, ranges)
                .launch(Math.ceilDiv(tokens, SCORE_RANGE), headChunks, 1, THREADS);
        normalise
                .set(2, workspace.weights())
                .set(3, workspace.maxTokens())
                .set(4, scratch)
                .set(5, ranges)
                .set(6, workspace.mass())
                .set(7, workspace.maxBlocks())
                .set(8, workspace.logSumExp())
                .launch(Math.ceilDiv(tokens, NORMALISE_RANGE), geometry.queryHeads(), 1, THREADS);
    }

    void values(MemorySegment weights, int stride, TileList tiles, MemorySegment out, boolean accumulate) {
        device.beforeLaunch();
        MemorySegment scratch = device.scratch();
        long settled = scratch.byteSize() == 0 ? 0 : KernelLayout.settled(geometry, scratch);
        long partials = KernelLayout.passing(geometry, scratch);
        long room = scratch.byteSize() - KernelLayout.keptScratch(geometry);
        int splits = KernelLayout.splits(geometry, tiles.capacity());
        boolean splitting = splits > 1 && KernelLayout.valueScratch(geometry, tiles.capacity()) <= room;
        values.set(1, weights, stride)
                .set(2, tiles)
                .set(3, settled)
                .set(4, splitting ? partials : 0)
                .set(5, splits)
                .set(6, out)
                .set(7, accumulate ? 1 : 0)
                .launch(splitting ? splits : 1, headChunks, columnRanges, THREADS);
        if (splitting) {
            mergeValues
                    .set(1, tiles)
                    .set(2, settled)
                    .set(3, partials)
                    .set(4, splits)
                    .set(5, out)
                    .set(6, accumulate ? 1 : 0)
                    .launch(geometry.queryHeads(), 1, 1, THREADS);
        }
    }

    void list(MemorySegment table, DeviceCount blocks, TileList tiles) {
        device.beforeLaunch();
        list.set(1, table).set(2, blocks).set(3, tiles).launch(geometry.kvHeads(), 1, 1, THREADS);
    }

    void renormalise(AttentionWorkspace workspace, DeviceCount blocks, MemorySegment out) {
        device.beforeLaunch();
        renormalise
                .set(1, workspace.rest())
                .set(2, workspace.maxBlocks())
                .set(3, blocks)
                .set(4, KernelLayout.settled(geometry, workspace.scratch()))
                .set(5, out)
                .launch(geometry.queryHeads(), 1, 1, THREADS);
    }
}
