package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** This process's memory as both tiers, and kernels on its processors. One shared arena holds everything. */
final class HostDevice implements Device {
    private static final Logger LOG = LoggerFactory.getLogger(HostDevice.class);
    private static final AtomicBoolean LOGGED = new AtomicBoolean();

    private final HostArgument.KernelChoice choice;
    private final WorkerGroup workers;
    private final boolean ownsWorkers;
    private final Arena arena = Arena.ofShared();
    private final EnumMap<Tier, Long> allocatedBytes = new EnumMap<>(Tier.class);
    private boolean closed;

    private HostDevice(HostArgument.KernelChoice choice, WorkerGroup workers, boolean ownsWorkers) {
        this.choice = choice;
        this.workers = workers;
        this.ownsWorkers = ownsWorkers;
    }

    static HostDevice open(HostArgument argument) {
        HostArgument.KernelChoice choice = argument.choose();
        boolean own = argument.threads() != HostArgument.SHARED_THREADS;
        WorkerGroup workers = own ? WorkerGroup.of(argument.threads()) : WorkerGroup.shared();
        HostDevice device = new HostDevice(choice, workers, own);
        if (LOGGED.compareAndSet(false, true)) {
            LOG.info("device {}; these kernels because: {}", device.description(), choice.reason());
        }
        return device;
    }

    @Override
    public String description() {
        return "host, " + choice.description() + ", " + workers.threads() + " threads";
    }

    @Override
    public synchronized MemorySegment allocate(Tier tier, long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("bytes " + bytes + " is not accepted; accepted: 0 or more");
        }
        requireOpen();
        MemorySegment memory = HostMemory.allocate(arena, bytes);
        allocatedBytes.merge(tier, bytes, Long::sum);
        return memory;
    }

    @Override
    public synchronized long allocatedBytes(Tier tier) {
        return allocatedBytes.getOrDefault(tier, 0L);
    }

    @Override
    public synchronized AttentionKernels kernels(CacheGeometry geometry, MemorySegment slab) {
        requireOpen();
        if (slab.byteSize() % geometry.blockBytes() != 0) {
            throw new IllegalArgumentException("a slab of " + slab.byteSize()
                    + " bytes is no whole number of blocks of " + geometry.blockBytes() + " bytes");
        }
        return choice.vector()
                ? VectorSupport.kernels(geometry, slab, workers)
                : new PlainKernels(geometry, slab, workers);
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the device is closed");
        }
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        arena.close();
        allocatedBytes.clear();
        if (ownsWorkers) {
            workers.close();
        }
    }
}
