package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuEventCreate;
import static jcuda.driver.JCudaDriver.cuEventDestroy;
import static jcuda.driver.JCudaDriver.cuEventRecord;
import static jcuda.driver.JCudaDriver.cuEventSynchronize;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoHAsync;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoDAsync;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;

/**
 * Pinned memory through which the host's data reaches the device. It is cut into slots; each has an event that tells
 * when the copy out of it has ended, and is not written before that.
 */
final class StagingRing implements AutoCloseable {
    private static final int SLOTS = 8;
    private static final long SLOT_BYTES = 256 << 10;

    private final CudaContext context;
    private final PinnedMemory memory;
    private final MemorySegment bytes;
    private final List<CUevent> copied = new ArrayList<>();
    private int next;

    StagingRing(CudaContext context, CudaMemory source) {
        this.context = context;
        memory = source.pin(SLOTS * SLOT_BYTES);
        bytes = MemorySegment.ofAddress(memory.address()).reinterpret(SLOTS * SLOT_BYTES);
        try {
            for (int slot = 0; slot < SLOTS; slot++) {
                CUevent event = new CUevent();
                context.check(cuEventCreate(event, CUevent_flags.CU_EVENT_DISABLE_TIMING), "cuEventCreate");
                copied.add(event);
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Starts to copy host memory to the device; {@code from} may change once this returns. */
    void write(MemorySegment from, long to, long size) {
        for (long done = 0; done < size; ) {
            long piece = Math.min(SLOT_BYTES, size - done);
            CUevent event = copied.get(next);
            context.check(cuEventSynchronize(event), "cuEventSynchronize");
            long slot = next * SLOT_BYTES;
            MemorySegment.copy(from, done, bytes, slot, piece);
            context.check(
                    cuMemcpyHtoDAsync(
                            new Raw.Device(to + done), new Raw.Host(memory.address() + slot), piece, context.stream()),
                    "cuMemcpyHtoDAsync");
            context.check(cuEventRecord(event, context.stream()), "cuEventRecord");
            next = (next + 1) % SLOTS;
            done += piece;
        }
    }

    /** Copies device memory to the host, behind everything launched so far; returns when it is there. */
    void read(long from, MemorySegment to, long size) {
        long most = SLOTS * SLOT_BYTES;
        for (long done = 0; done < size; ) {
            long piece = Math.min(most, size - done);
            context.check(
                    cuMemcpyDtoHAsync(
                            new Raw.Host(memory.address()), new Raw.Device(from + done), piece, context.stream()),
                    "cuMemcpyDtoHAsync");
            context.check(cuStreamSynchronize(context.stream()), "cuStreamSynchronize");
            MemorySegment.copy(bytes, 0, to, done, piece);
            done += piece;
        }
    }

    @Override
    public void close() {
        for (CUevent event : copied) {
            CudaContext.ignore(cuEventDestroy(event), "cuEventDestroy");
        }
        copied.clear();
        memory.close();
    }
}
