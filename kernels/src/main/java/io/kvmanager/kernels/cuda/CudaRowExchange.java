package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuMemcpyDtoHAsync;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoDAsync;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;

import io.kvmanager.kernels.cuda.PointerQuery.Kind;
import io.kvmanager.spi.RowExchange;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * An engine's rows. What kernels can address is passed on; the rest crosses through pinned memory and from there to
 * device memory, since kernels read queries many times and add to the output:
 *
 * <pre>
 * q, k, v   engine's memory -> pinned -> device memory, on the stream
 * out       device memory -> pinned, on the stream; wait; -> engine's memory
 * </pre>
 *
 * Pinned memory is filled again only once the copy out of it has run.
 */
final class CudaRowExchange implements RowExchange, AutoCloseable {
    private static final int QUERIES = 0;
    private static final int KEYS = 1;
    private static final int VALUES = 2;
    private static final int OUTPUT = 3;
    private static final String[] NAMES = {"q", "k", "v", "out"};

    private final CudaContext context;
    private final CudaMemory memory;
    private final PointerQuery query;
    private final @Nullable RowBuffer[] buffers = new RowBuffer[NAMES.length];

    CudaRowExchange(CudaDevice device) {
        context = device.context();
        memory = device.memory();
        query = new PointerQuery(device.arena());
    }

    @Override
    public MemorySegment queries(MemorySegment q) {
        return bring(QUERIES, q);
    }

    @Override
    public MemorySegment keys(MemorySegment k) {
        return bring(KEYS, k);
    }

    @Override
    public MemorySegment values(MemorySegment v) {
        return bring(VALUES, v);
    }

    private MemorySegment bring(int role, MemorySegment rows) {
        if (isAddressable(role, rows)) {
            return rows;
        }
        RowBuffer buffer = buffer(role, rows.byteSize());
        if (buffer.inFlight()) {
            await();
        }
        MemorySegment.copy(rows, 0, buffer.pinned(), 0, rows.byteSize());
        buffer.inFlight(true);
        context.check(
                cuMemcpyHtoDAsync(buffer.devicePointer(), buffer.pinnedPointer(), rows.byteSize(), context.stream()),
                "cuMemcpyHtoDAsync");
        return buffer.onDevice();
    }

    @Override
    public MemorySegment output(MemorySegment out) {
        return isAddressable(OUTPUT, out) ? out : buffer(OUTPUT, out.byteSize()).onDevice();
    }

    @Override
    public void deliver(MemorySegment out) {
        context.enter();
        Kind kind = query.kind(out);
        if (kind == Kind.DEVICE || context.capturing()) {
            return;
        }
        if (kind == Kind.PINNED) {
            await();
            return;
        }
        RowBuffer buffer = buffer(OUTPUT, out.byteSize());
        context.check(
                cuMemcpyDtoHAsync(buffer.pinnedPointer(), buffer.devicePointer(), out.byteSize(), context.stream()),
                "cuMemcpyDtoHAsync");
        await();
        MemorySegment.copy(buffer.pinned(), 0, out, 0, out.byteSize());
    }

    /** Whether kernels can work on the rows where they are; what is captured must be so. */
    private boolean isAddressable(int role, MemorySegment rows) {
        context.enter();
        boolean addressable = query.kind(rows) != Kind.PAGEABLE;
        if (!addressable && context.capturing()) {
            throw new IllegalArgumentException(
                    NAMES[role] + " lies in host memory that the device cannot address: a captured step needs its "
                            + "rows in device memory or in pinned host memory");
        }
        return addressable;
    }

    private RowBuffer buffer(int role, long bytes) {
        RowBuffer buffer = buffers[role];
        if (buffer == null || buffer.bytes() < bytes) {
            await();
            if (buffer != null) {
                buffers[role] = null;
                buffer.close();
            }
            buffer = new RowBuffer(memory, bytes);
            buffers[role] = buffer;
        }
        return buffer;
    }

    /** Waits for the stream: no copy runs any more. */
    private void await() {
        context.check(cuStreamSynchronize(context.stream()), "cuStreamSynchronize");
        for (RowBuffer buffer : buffers) {
            if (buffer != null) {
                buffer.inFlight(false);
            }
        }
    }

    @Override
    public void close() {
        for (int role = 0; role < buffers.length; role++) {
            RowBuffer buffer = buffers[role];
            if (buffer != null) {
                buffers[role] = null;
                buffer.close();
            }
        }
    }
}
