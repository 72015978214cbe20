package io.kvmanager.offload;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.BlockStore;
import io.kvmanager.spi.Device;
import java.util.ArrayList;
import java.util.List;

/** Homes in the host memory of a device, and the copies to and from them. Closing ends the use, no more. */
class HostBlockStore implements BlockStore {
    private final AttentionKernels kernels;
    private final HostStore store;
    private boolean closed;

    HostBlockStore(Device device, CacheGeometry geometry, AttentionKernels kernels, int hostBlocks) {
        this.kernels = kernels;
        this.store = new HostStore(device, geometry, hostBlocks);
    }

    /** The bookkeeping of the homes. */
    final HostStore homes() {
        return store;
    }

    @Override
    public final boolean tryReserve(int blocks) {
        requireOpen();
        return store.tryReserve(blocks);
    }

    @Override
    public final void unreserve(int blocks) {
        requireOpen();
        store.unreserve(blocks);
    }

    @Override
    public final int store(int blockId) {
        requireOpen();
        // Taken after the copy: if that fails, home and reservation are as they were.
        kernels.store(blockId, store.memory(), store.offset(store.next()));
        return store.take();
    }

    @Override
    public final void load(int home, int blockId) {
        requireOpen();
        store.requireUsed(home);
        kernels.load(store.memory(), store.offset(home), blockId);
    }

    @Override
    public final void retain(int home) {
        requireOpen();
        store.retain(home);
    }

    @Override
    public final void release(int home) {
        requireOpen();
        if (store.release(home)) {
            freed(home);
        }
    }

    /** Called when a home has become free, before it can be written again. */
    void freed(int home) {}

    @Override
    public final int references(int home) {
        requireOpen();
        return store.references(home);
    }

    @Override
    public final int usedBlocks() {
        return store.used();
    }

    @Override
    public final int peakBlocks() {
        return store.peakUsed();
    }

    @Override
    public final int availableBlocks() {
        return store.available();
    }

    @Override
    public List<String> audit() {
        requireOpen();
        return new ArrayList<>(store.audit());
    }

    @Override
    public final void close() {
        closed = true;
    }

    final void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the host tier is closed");
        }
    }
}
