package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuMemsetD32Async;

import io.kvmanager.spi.IntTable;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;

/** A table in device memory and the host's copy of it. */
final class CudaIntTable implements IntTable {
    private static final int LONG_FILL = 64;

    private final CudaDevice device;
    private final MemorySegment memory;
    private final int[] entries;

    CudaIntTable(CudaDevice device, MemorySegment memory) {
        this.device = device;
        this.memory = memory;
        this.entries = new int[Math.toIntExact(memory.byteSize() / 4)];
    }

    @Override
    public int size() {
        return entries.length;
    }

    @Override
    public int get(int index) {
        return entries[index];
    }

    @Override
    public void set(int index, int value) {
        entries[index] = value;
        device.writes().add(memory.address() + 4L * index, value);
    }

    @Override
    public void fill(int from, int to, int value) {
        Objects.checkFromToIndex(from, to, entries.length);
        if (to - from < LONG_FILL) {
            IntTable.super.fill(from, to, value);
            return;
        }
        CudaContext context = device.context();
        context.enterOutsideOfCapture("filling a table");
        device.writes().flush();
        Arrays.fill(entries, from, to, value);
        context.check(
                cuMemsetD32Async(new Raw.Device(memory.address() + 4L * from), value, to - from, context.stream()),
                "cuMemsetD32Async");
    }

    @Override
    public MemorySegment memory() {
        return memory;
    }
}
