package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemFree;
import static jcuda.driver.JCudaDriver.cuMemGetInfo;
import static jcuda.driver.JCudaDriver.cuMemsetD8Async;

import io.kvmanager.KvCacheException.DeviceFailure;
import io.kvmanager.KvCacheException.DeviceOutOfMemory;
import io.kvmanager.Tier;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import jcuda.driver.CUresult;

/** Everything that a device was asked for, in both tiers; given back when it closes. */
final class CudaMemory implements AutoCloseable {
    private static final long ALIGNMENT = 4096;

    private final CudaDevice device;
    private final CudaContext context;
    private final List<Raw.Device> pieces = new ArrayList<>();
    private final List<PinnedMemory> pinned = new ArrayList<>();
    private final EnumMap<Tier, Long> askedBytes = new EnumMap<>(Tier.class);

    CudaMemory(CudaDevice device) {
        this.device = device;
        this.context = device.context();
    }

    /** Zeroed memory of {@code tier} whose segment ends with the device. */
    MemorySegment allocate(Tier tier, long bytes) {
        long address = tier == Tier.DEVICE ? deviceMemory(bytes) : pinnedMemory(bytes);
        askedBytes.merge(tier, bytes, Long::sum);
        return MemorySegment.ofAddress(address).reinterpret(bytes, device.arena(), /* cleanup */ null);
    }

    /** Sum of the sizes asked for. */
    long askedBytes(Tier tier) {
        return askedBytes.getOrDefault(tier, 0L);
    }

    private long deviceMemory(long bytes) {
        Raw.Device piece = take(Math.max(1, bytes));
        long address = piece.address();
        if (address % ALIGNMENT != 0) {
            free(piece);
            piece = take(Math.max(1, bytes) + ALIGNMENT - 1);
            address = Math.ceilDiv(piece.address(), ALIGNMENT) * ALIGNMENT;
        }
        context.check(
                cuMemsetD8Async(new Raw.Device(address), (byte) 0, Math.max(1, bytes), context.stream()),
                "cuMemsetD8Async");
        return address;
    }

    /** Device memory that is not counted: the caller gives it back, before the device closes. */
    Raw.Device takeBeside(long bytes) {
        Raw.Device pointer = take(bytes);
        pieces.remove(pointer);
        return pointer;
    }

    /** Gives {@link #takeBeside} back; nothing may use it any more. */
    static void giveBeside(Raw.Device pointer) {
        CudaContext.ignore(cuMemFree(pointer), "cuMemFree");
    }

    private Raw.Device take(long bytes) {
        Raw.Device pointer = new Raw.Device();
        int result = cuMemAlloc(pointer, bytes);
        if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
            throw new DeviceOutOfMemory(
                    "cuMemAlloc", CUresult.stringFor(result), Tier.DEVICE, bytes, availableBytes(), held());
        }
        context.check(result, "cuMemAlloc");
        pieces.add(pointer);
        return pointer;
    }

    private void free(Raw.Device piece) {
        pieces.remove(piece);
        context.check(cuMemFree(piece), "cuMemFree");
    }

    private long availableBytes() {
        long[] free = new long[1];
        return cuMemGetInfo(free, new long[1]) == CUresult.CUDA_SUCCESS ? free[0] : 0;
    }

    private String held() {
        return "this device holds " + askedBytes(Tier.DEVICE) + " bytes of DEVICE and " + askedBytes(Tier.HOST)
                + " bytes of HOST memory";
    }

    private long pinnedMemory(long bytes) {
        PinnedMemory memory = pin(bytes);
        pinned.add(memory);
        return memory.address();
    }

    /** Pinned memory that the caller gives back. */
    PinnedMemory pin(long bytes) {
        try {
            return new PinnedMemory(context, bytes, PinnedMemory.CHUNK_BYTES);
        } catch (DeviceFailure e) {
            boolean isShort = e.error().equals(CUresult.stringFor(CUresult.CUDA_ERROR_OUT_OF_MEMORY))
                    || e.error().equals(PinnedMemory.NO_PAGES);
            if (!isShort) {
                throw e;
            }
            // The system says no more than that it refuses; how much it would give is not known.
            throw new DeviceOutOfMemory(e.function(), e.error(), Tier.HOST, bytes, 0, held());
        }
    }

    /** The pinned memory in which an address lies. */
    PinnedMemory pinned(long address) {
        for (PinnedMemory memory : pinned) {
            if (memory.contains(address)) {
                return memory;
            }
        }
        throw new IllegalArgumentException("the host memory is not this device's: allocate it in Tier.HOST");
    }

    @Override
    public void close() {
        for (Raw.Device piece : pieces) {
            CudaContext.ignore(cuMemFree(piece), "cuMemFree");
        }
        pieces.clear();
        pinned.forEach(PinnedMemory::close);
        pinned.clear();
        askedBytes.clear();
    }
}
