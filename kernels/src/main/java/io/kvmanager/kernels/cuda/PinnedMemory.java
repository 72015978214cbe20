package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuMemHostGetDevicePointer;
import static jcuda.driver.JCudaDriver.cuMemHostRegister;
import static jcuda.driver.JCudaDriver.cuMemHostUnregister;

import io.kvmanager.KvCacheException.DeviceFailure;
import jcuda.driver.JCudaDriver;

/**
 * Pinned host memory that kernels address as the host does. Pages come from the system in one piece and are registered
 * in chunks: registering one huge piece is slow and stalls other calls of the driver.
 *
 * <pre>
 * |<------------------------- bytes, whole pages ------------------------->|
 * |--- chunk, registered ---|--- chunk, registered ---|--- rest, registered --|
 * </pre>
 *
 * A copy by the driver must not cross chunks ({@link #piece}); kernels may.
 */
final class PinnedMemory implements AutoCloseable {
    static final long CHUNK_BYTES = 1L << 30;

    /** The error where the system has no pages left. */
    static final String NO_PAGES = "ENOMEM";

    private static final int FLAGS = JCudaDriver.CU_MEMHOSTREGISTER_PORTABLE | JCudaDriver.CU_MEMHOSTREGISTER_DEVICEMAP;

    private final long chunkBytes;
    private final long bytes;
    private final long address;
    private long registered;

    /**
     * Takes memory.
     *
     * @param minimum bytes, rounded up to whole pages
     * @param chunkBytes a multiple of a page
     */
    PinnedMemory(CudaContext context, long minimum, long chunkBytes) {
        this.chunkBytes = chunkBytes;
        this.bytes = Math.max(1, Math.ceilDiv(minimum, HostPages.PAGE_BYTES)) * HostPages.PAGE_BYTES;
        this.address = HostPages.map(bytes);
        if (address == 0) {
            throw new DeviceFailure("mmap", NO_PAGES, false, bytes + " bytes of host memory");
        }
        try {
            while (registered < bytes) {
                Raw.Host chunk = new Raw.Host(address + registered);
                long size = Math.min(chunkBytes, bytes - registered);
                context.check(cuMemHostRegister(chunk, size, FLAGS), "cuMemHostRegister");
                registered += size;
                requireSameAddress(context, chunk, address + registered - size);
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private static void requireSameAddress(CudaContext context, Raw.Host chunk, long hostAddress) {
        Raw.Device mapped = new Raw.Device();
        context.check(cuMemHostGetDevicePointer(mapped, chunk, 0), "cuMemHostGetDevicePointer");
        if (mapped.address() != hostAddress) {
            throw new DeviceFailure(
                    "cuMemHostGetDevicePointer",
                    "another address",
                    false,
                    "the device cannot address pinned host memory as the host does");
        }
    }

    long address() {
        return address;
    }

    long bytes() {
        return bytes;
    }

    boolean contains(long other) {
        return other >= address && other < address + bytes;
    }

    /** How many of {@code wanted} bytes from {@code from} on the driver can copy at once. */
    long piece(long from, long wanted) {
        long chunkEnd = ((from - address) / chunkBytes + 1) * chunkBytes;
        return Math.min(wanted, chunkEnd - (from - address));
    }

    /** Unpins and unmaps; nothing may use the memory any more. A second close does nothing. */
    @Override
    public void close() {
        if (registered < 0) {
            return;
        }
        for (long at = 0; at < registered; at += chunkBytes) {
            CudaContext.ignore(cuMemHostUnregister(new Raw.Host(address + at)), "cuMemHostUnregister");
        }
        registered = -1;
        HostPages.unmap(address, bytes);
    }
}
