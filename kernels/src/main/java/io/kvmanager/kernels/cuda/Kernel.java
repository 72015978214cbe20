package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuLaunchKernel;

import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.TileList;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * One kernel with its parameters in native memory, so that a launch allocates nothing and costs a fraction of a
 * microsecond. Parameters keep their values from launch to launch; the driver copies them when it launches.
 *
 * <pre>
 * cells    |shape 40|parameter 1|parameter 2|...    each at a multiple of 8 bytes
 * table    |address of cell 0|address of cell 1|...
 * </pre>
 */
final class Kernel {
    /** Threads of a CTA where a kernel's source does not say otherwise. */
    static final int THREADS = 128;

    /** Bytes of a pointer parameter. */
    static final int POINTER = 8;

    /** Bytes of an int parameter. */
    static final int INT = 4;

    /** Bytes of a {@code Count}. */
    static final int COUNT = 16;

    /** Bytes of a {@code Tiles}. */
    static final int TILES = 32;

    private final CudaContext context;
    private final String name;
    private final CUfunction function;
    private final MemorySegment cells;
    private final long[] offsets;
    private final Pointer table;

    /**
     * Prepares a kernel.
     *
     * @param sizes bytes of each parameter
     */
    Kernel(CudaDevice device, String module, String name, int... sizes) {
        this.context = device.context();
        this.name = name;
        this.function = device.modules().function(module, name);
        this.offsets = new long[sizes.length];
        long bytes = 0;
        for (int i = 0; i < sizes.length; i++) {
            offsets[i] = bytes;
            bytes += (sizes[i] + 7L) / 8 * 8;
        }
        cells = device.arena().allocate(bytes, 16);
        MemorySegment addresses = device.arena().allocate(8L * sizes.length, 8);
        for (int i = 0; i < sizes.length; i++) {
            addresses.setAtIndex(ValueLayout.JAVA_LONG, i, cells.address() + offsets[i]);
        }
        table = new Raw.Host(addresses.address());
    }

    Kernel set(int parameter, int value) {
        cells.set(ValueLayout.JAVA_INT, offsets[parameter], value);
        return this;
    }

    Kernel set(int parameter, long value) {
        cells.set(ValueLayout.JAVA_LONG, offsets[parameter], value);
        return this;
    }

    /** Passes the address of device memory. */
    Kernel set(int parameter, MemorySegment memory) {
        return set(parameter, memory.address());
    }

    /** Passes a structure. */
    Kernel setStructure(int parameter, MemorySegment structure) {
        MemorySegment.copy(structure, 0, cells, offsets[parameter], structure.byteSize());
        return this;
    }

    /** Passes a {@code Count} that the kernel reads when it runs. */
    Kernel set(int parameter, DeviceCount count) {
        cells.set(ValueLayout.JAVA_LONG, offsets[parameter], count.memory().address());
        return this;
    }

    /** Passes a {@code Count} that is known now. */
    Kernel setCount(int parameter, int count) {
        cells.set(ValueLayout.JAVA_LONG, offsets[parameter], 0);
        cells.set(ValueLayout.JAVA_INT, offsets[parameter] + 8, count);
        return this;
    }

    /** Passes a pointer and an int behind it as one structure: {@code Weights}. */
    Kernel set(int parameter, MemorySegment memory, int value) {
        cells.set(ValueLayout.JAVA_LONG, offsets[parameter], memory.address());
        cells.set(ValueLayout.JAVA_INT, offsets[parameter] + 8, value);
        return this;
    }

    /** Passes a {@code Tiles}. */
    Kernel set(int parameter, TileList tiles) {
        long at = offsets[parameter];
        cells.set(ValueLayout.JAVA_LONG, at, tiles.counts().address());
        cells.set(ValueLayout.JAVA_LONG, at + 8, tiles.blocks().address());
        cells.set(ValueLayout.JAVA_LONG, at + 16, tiles.tiles().address());
        cells.set(ValueLayout.JAVA_INT, at + 24, tiles.capacity());
        return this;
    }

    /** The native memory of a parameter that is filled bit by bit. */
    MemorySegment cell(int parameter, long bytes) {
        return cells.asSlice(offsets[parameter], bytes);
    }

    /** Launches on the context's stream; the context must have been entered. */
    void launch(int gridX, int gridY, int gridZ, int threads) {
        context.check(
                cuLaunchKernel(
                        function, gridX, gridY, gridZ, threads, 1, 1, 0, context.stream(), table, /* extra */ null),
                name);
        context.launched(name);
    }
}
