package io.kvmanager.kernels.cuda;

import static io.kvmanager.kernels.cuda.Kernel.COUNT;
import static io.kvmanager.kernels.cuda.Kernel.INT;
import static io.kvmanager.kernels.cuda.Kernel.POINTER;
import static io.kvmanager.kernels.cuda.Kernel.THREADS;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.ShadowLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code shadows.cu}: shadows of V, what they add to an output, and how far rows are from what stands in for them. */
final class ShadowKernels {
    private static final int SHADOW = 16;
    private static final int SUMS = 48;
    private static final int[] BITS = {4, 8};

    private final CudaDevice device;
    private final CacheGeometry geometry;
    private final Kernel reach;
    private final Kernel[] quantise = new Kernel[BITS.length];
    private final Kernel[] values = new Kernel[BITS.length];
    private final Kernel merge;

    ShadowKernels(CudaKernels kernels, String type) {
        device = kernels.device();
        geometry = kernels.geometry();
        reach = kernels.kernel("shadows", "reach" + type, INT, INT, INT, POINTER, INT);
        for (int i = 0; i < BITS.length; i++) {
            String variant = type + "_" + BITS[i];
            quantise[i] = kernels.kernel("shadows", "quantise" + variant, INT, SHADOW, POINTER, INT);
            values[i] = kernels.kernel("shadows", "shadow_values" + variant, SUMS, COUNT, POINTER, INT);
        }
        merge = kernels.kernel("shadows", "merge_shadows", COUNT, POINTER, INT, POINTER, POINTER);
    }

    private static Kernel of(Kernel[] kernels, ShadowLayout layout) {
        return kernels[layout.bits() == BITS[0] ? 0 : 1];
    }

    /** Distance of a block's rows from a stored mean, or from zero if it is absent. */
    void reach(int blockId, int summaryBlockId, int summarySlot, MemorySegment reaches, int index) {
        device.beforeLaunch();
        reach.set(1, blockId)
                .set(2, summaryBlockId)
                .set(3, summarySlot)
                .set(4, reaches)
                .set(5, index)
                .launch(geometry.kvHeads(), 1, 1, THREADS);
    }

    void quantise(
            ShadowLayout layout,
            int blockId,
            int codeBlockId,
            int place,
            int rangeBlockId,
            int range,
            MemorySegment reaches,
            int index) {
        device.beforeLaunchBehindStores();
        Kernel kernel = of(quantise, layout);
        MemorySegment shadow = kernel.cell(2, SHADOW);
        shadow.setAtIndex(ValueLayout.JAVA_INT, 0, codeBlockId);
        shadow.setAtIndex(ValueLayout.JAVA_INT, 1, place);
        shadow.setAtIndex(ValueLayout.JAVA_INT, 2, rangeBlockId);
        shadow.setAtIndex(ValueLayout.JAVA_INT, 3, range);
        kernel.set(1, blockId).set(3, reaches).set(4, index).launch(geometry.kvHeads(), 1, 1, THREADS);
    }

    /** Adds what the shadows of unread blocks give to {@code out}; part by part, in the workspace's scratch. */
    void add(
            ShadowLayout layout,
            AttentionWorkspace workspace,
            DeviceCount blocks,
            MemorySegment codes,
            MemorySegment ranges,
            MemorySegment out) {
        device.beforeLaunch();
        int room = device.room(blocks);
        if (room == 0) {
            return;
        }
        int splits = KernelLayout.splits(geometry, geometry.blocksFor(workspace.maxTokens()));
        long settled = KernelLayout.settled(geometry, workspace.scratch());
        long partials = KernelLayout.passing(geometry, workspace.scratch());
        Kernel kernel = of(values, layout);
        MemorySegment sums = kernel.cell(1, SUMS);
        sums.setAtIndex(ValueLayout.JAVA_LONG, 0, codes.address());
        sums.setAtIndex(ValueLayout.JAVA_LONG, 1, ranges.address());
        sums.setAtIndex(ValueLayout.JAVA_LONG, 2, workspace.weights().address());
        sums.setAtIndex(ValueLayout.JAVA_LONG, 3, workspace.rest().address());
        sums.setAtIndex(ValueLayout.JAVA_LONG, 4, settled);
        sums.set(ValueLayout.JAVA_INT, 40, workspace.maxTokens());
        sums.set(ValueLayout.JAVA_INT, 44, workspace.maxBlocks());
        kernel.set(2, blocks)
                .set(3, partials)
                .set(4, splits)
                .launch(KernelLayout.splits(geometry, room), geometry.queryHeads(), 1, THREADS);
        merge.set(1, blocks)
                .set(2, partials)
                .set(3, splits)
                .set(4, settled)
                .set(5, out)
                .launch(geometry.queryHeads(), 1, 1, THREADS);
    }
}
