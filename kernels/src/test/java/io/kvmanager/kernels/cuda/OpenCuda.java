package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/** An emulated device with a small slab, and the few things that tests of the device do with it. */
final class OpenCuda implements AutoCloseable {
    static final CacheGeometry GEOMETRY = new CacheGeometry(1, 4, 2, 8, 4, ElementType.F32);
    static final int BLOCKS = 128;
    static final int BLOCK_FLOATS = GEOMETRY.blockBytes() / 4;

    final EmulatedDriver driver;
    final CudaDevice device;
    final MemorySegment slab;
    final CudaKernels kernels;

    OpenCuda() {
        this(new CudaArgument(0, false));
    }

    OpenCuda(CudaArgument argument) {
        driver = EmulatedDriver.fresh();
        device = CudaDevice.open(argument);
        slab = device.allocate(Tier.DEVICE, (long) BLOCKS * GEOMETRY.blockBytes());
        kernels = (CudaKernels) device.kernels(GEOMETRY, slab);
    }

    /** Device memory with these numbers. */
    MemorySegment floats(float... numbers) {
        MemorySegment memory = device.allocate(Tier.DEVICE, 4L * numbers.length);
        device.write(MemorySegment.ofArray(numbers), memory, 0, memory.byteSize());
        return memory;
    }

    /** Writes a number all over a block. */
    void fill(int blockId, float number) {
        float[] numbers = new float[BLOCK_FLOATS];
        Arrays.fill(numbers, number);
        device.write(MemorySegment.ofArray(numbers), slab, GEOMETRY.blockOffset(blockId), GEOMETRY.blockBytes());
    }

    /** The first number of a block. */
    float first(int blockId) {
        float[] number = new float[1];
        device.read(slab, GEOMETRY.blockOffset(blockId), MemorySegment.ofArray(number), 4);
        return number[0];
    }

    /** The first number of a home, after everything has run. */
    float home(MemorySegment homes, int home) {
        device.synchronize();
        return homes.get(ValueLayout.JAVA_FLOAT, (long) home * GEOMETRY.blockBytes());
    }

    @Override
    public void close() {
        device.close();
        assertEquals("", driver.live());
    }
}
