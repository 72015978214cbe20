package io.kvmanager.kernels.cuda;

import java.lang.foreign.MemorySegment;

/** Pinned and device memory for the rows of one kind, as large as the most that ever crossed. */
final class RowBuffer implements AutoCloseable {
    private static final long LEAST_BYTES = 64 << 10;

    private final PinnedMemory pinned;
    private final Raw.Device onDevice;
    private final Raw.Host pinnedPointer;
    private final MemorySegment pinnedSegment;
    private final MemorySegment deviceSegment;
    private final long bytes;
    private boolean inFlight;

    RowBuffer(CudaMemory memory, long needed) {
        bytes = Math.max(LEAST_BYTES, Long.highestOneBit(2 * needed - 1));
        pinned = memory.pin(bytes);
        try {
            onDevice = memory.takeBeside(bytes);
        } catch (RuntimeException e) {
            pinned.close();
            throw e;
        }
        pinnedPointer = new Raw.Host(pinned.address());
        pinnedSegment = MemorySegment.ofAddress(pinned.address()).reinterpret(bytes);
        deviceSegment = MemorySegment.ofAddress(onDevice.address()).reinterpret(bytes);
    }

    long bytes() {
        return bytes;
    }

    MemorySegment pinned() {
        return pinnedSegment;
    }

    Raw.Host pinnedPointer() {
        return pinnedPointer;
    }

    MemorySegment onDevice() {
        return deviceSegment;
    }

    Raw.Device devicePointer() {
        return onDevice;
    }

    /** Whether a copy out of the pinned memory may still be running. */
    boolean inFlight() {
        return inFlight;
    }

    void inFlight(boolean running) {
        inFlight = running;
    }

    @Override
    public void close() {
        CudaMemory.giveBeside(onDevice);
        pinned.close();
    }
}
