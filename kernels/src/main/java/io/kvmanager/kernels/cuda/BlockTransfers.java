package io.kvmanager.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoHAsync;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoDAsync;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Blocks on their way between the tiers. They wait until something else is launched, so that those of one suspension
 * or resumption go to the driver together:
 *
 * <pre>
 * load load load  kernel      -> one call for three blocks | kernel
 * store store  load  kernel   -> one call for two blocks | load | kernel
 * </pre>
 *
 * What waits is all of one direction, no target is there twice, and nothing is launched before it: so it does not
 * matter in which order the pieces are copied.
 */
final class BlockTransfers {
    /** Pieces that wait at most. */
    static final int CAPACITY = 1024;

    private static final int TARGET_CELLS = 4 * CAPACITY;
    private static final long HASH = 0x9e37_79b9_7f4a_7c15L;
    private static final long FROM = 8;
    private static final long TO = FROM + 8L * KernelLayout.MAX_PIECES;
    private static final long KERNEL_BYTES_PER_CTA = 4 << 10;

    /** Bytes of the parameters of {@code load_pieces}. */
    static final int PIECES = (int) TO + 8 * KernelLayout.MAX_PIECES;

    private final CudaContext context;
    private final StoreFence fence;
    private final CopyWay wanted;
    private final @Nullable BatchCopy batch;
    private final Kernel kernel;
    private final MemorySegment pieces;
    private final MemorySegment targets;
    private final MemorySegment sources;
    private final MemorySegment bytes;
    private final long[] targetCells = new long[TARGET_CELLS];
    private int count;
    private boolean toDevice;
    private CopyWay way = CopyWay.SINGLE;

    BlockTransfers(CudaDevice device, CopyWay wanted, Optional<BatchCopy> batch) {
        context = device.context();
        fence = device.fence();
        this.wanted = wanted;
        this.batch = batch.orElse(null);
        kernel = new Kernel(device, "rows", "load_pieces", PIECES);
        pieces = kernel.cell(0, PIECES);
        targets = device.arena().allocate(JAVA_LONG, CAPACITY);
        sources = device.arena().allocate(JAVA_LONG, CAPACITY);
        bytes = device.arena().allocate(JAVA_LONG, CAPACITY);
    }

    /** Copies a block to its home, behind everything launched so far. */
    void store(long block, PinnedMemory home, long address, long size) {
        add(/* load */ false, home, address, block, size);
    }

    /** Copies a home to a block, ahead of everything launched from here on. */
    void load(PinnedMemory home, long address, long block, long size) {
        add(/* load */ true, home, address, block, size);
    }

    private void add(boolean load, PinnedMemory home, long address, long block, long size) {
        CopyWay of = wanted.of(load, size);
        for (long done = 0; done < size; ) {
            long piece = of == CopyWay.KERNEL ? size : home.piece(address + done, size - done);
            long target = (load ? block : address) + done;
            boolean fits = load == toDevice && of == way && (of != CopyWay.KERNEL || bytes.get(JAVA_LONG, 0) == piece);
            if (count == CAPACITY || (count > 0 && !fits) || isTarget(target)) {
                flush();
            }
            toDevice = load;
            way = of;
            targetCells[cellOf(target)] = target;
            targets.setAtIndex(JAVA_LONG, count, target);
            sources.setAtIndex(JAVA_LONG, count, (load ? address : block) + done);
            bytes.setAtIndex(JAVA_LONG, count, piece);
            count++;
            done += piece;
        }
    }

    private boolean isTarget(long address) {
        return targetCells[cellOf(address)] == address;
    }

    /** The cell of an address, or the free one where it belongs; addresses are not 0. */
    private int cellOf(long address) {
        int cell = (int) ((address * HASH) >>> 32) & (TARGET_CELLS - 1);
        while (targetCells[cell] != 0 && targetCells[cell] != address) {
            cell = (cell + 1) & (TARGET_CELLS - 1);
        }
        return cell;
    }

    /** Gives what waits to the driver. The context must have been entered, and no step be captured. */
    void flush() {
        if (count == 0) {
            return;
        }
        int all = count;
        count = 0;
        Arrays.fill(targetCells, 0);
        if (!toDevice) {
            fence.beginStores();
            copy(all, context.copyStream());
            fence.endStores();
            return;
        }
        fence.await();
        if (way == CopyWay.KERNEL) {
            launch(all);
        } else {
            copy(all, context.stream());
        }
    }

    private void copy(int all, Raw.Stream stream) {
        if (all > 1 && way == CopyWay.BATCH && batch != null) {
            context.check(batch.run(targets, sources, bytes, all, stream), BatchCopy.FIRST_NAME);
            return;
        }
        for (int i = 0; i < all; i++) {
            long target = targets.getAtIndex(JAVA_LONG, i);
            long source = sources.getAtIndex(JAVA_LONG, i);
            long size = bytes.getAtIndex(JAVA_LONG, i);
            if (toDevice) {
                context.check(
                        cuMemcpyHtoDAsync(new Raw.Device(target), new Raw.Host(source), size, stream),
                        "cuMemcpyHtoDAsync");
            } else {
                context.check(
                        cuMemcpyDtoHAsync(new Raw.Host(target), new Raw.Device(source), size, stream),
                        "cuMemcpyDtoHAsync");
            }
        }
    }

    private void launch(int all) {
        int size = (int) bytes.get(JAVA_LONG, 0);
        int ctas = (int) Math.ceilDiv(size, KERNEL_BYTES_PER_CTA);
        pieces.set(JAVA_INT, 0, size);
        for (int first = 0; first < all; first += KernelLayout.MAX_PIECES) {
            int part = Math.min(KernelLayout.MAX_PIECES, all - first);
            MemorySegment.copy(sources, 8L * first, pieces, FROM, 8L * part);
            MemorySegment.copy(targets, 8L * first, pieces, TO, 8L * part);
            kernel.launch(ctas, part, 1, Kernel.THREADS);
        }
    }
}
