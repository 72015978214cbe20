package io.kvmanager.spi;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Memory in two tiers and the kernels that work on it. Owned by one cache, used by one thread at a time.
 *
 * <p>A segment of {@code Tier.DEVICE} is an address range for kernels. Only on a device that says so can the host
 * address it; all others must go through {@link #write}, {@link #read}, {@link #copy} and {@link #table}, whose
 * effects come in the order of the calls, as those of kernels do. The defaults here are for devices whose memory the
 * host can address and whose kernels have run when their call returns.
 */
public interface Device extends AutoCloseable {

    /** Kernels and width in use, for people: {@code host, vector kernels (512 bit), 2 threads}. */
    String description();

    /**
     * Takes zeroed memory that lives until the device closes, aligned to 4096 bytes.
     *
     * @param bytes exact size of the segment, 0 or more
     */
    MemorySegment allocate(Tier tier, long bytes);

    /** Sum of the sizes asked for in {@code tier}. */
    long allocatedBytes(Tier tier);

    /**
     * The kernels over one slab.
     *
     * @param slab device memory, a whole number of blocks of {@code geometry}
     */
    AttentionKernels kernels(CacheGeometry geometry, MemorySegment slab);

    /** A table that the host keeps in device memory; entries are undefined until they are set. */
    default IntTable table(MemorySegment memory) {
        return IntTable.over(memory);
    }

    /** Copies the start of host memory to device memory; {@code from} may be changed once this returns. */
    default void write(MemorySegment from, MemorySegment to, long toOffset, long bytes) {
        MemorySegment.copy(from, 0, to, toOffset, bytes);
    }

    /** Copies device memory to the start of host memory; waits for what was launched before. */
    default void read(MemorySegment from, long fromOffset, MemorySegment to, long bytes) {
        MemorySegment.copy(from, fromOffset, to, 0, bytes);
    }

    /** Copies device memory to other device memory. */
    default void copy(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
        MemorySegment.copy(from, fromOffset, to, toOffset, bytes);
    }

    /**
     * Device bytes of scratch that the kernels need in every {@link AttentionWorkspace}.
     *
     * @param tokens longest sequence
     */
    default long scratchBytes(CacheGeometry geometry, int tokens) {
        return 0;
    }

    /** Native handle of the stream that everything is launched on, 0 where there is none. */
    default long stream() {
        return 0;
    }

    /** Waits until everything that was launched has run. */
    default void synchronize() {}

    /** How an engine's rows reach the kernels. */
    default RowExchange exchange() {
        return RowExchange.DIRECT;
    }

    /** The device's own choice and residency of value tiles, or null if the host's can address its memory. */
    default @Nullable TileResidency tileResidency(AttentionKernels kernels, TileResidency.Request request) {
        return null;
    }

    /**
     * Records what {@code launches} launches, without running it.
     *
     * @throws UnsupportedOperationException if the device cannot
     */
    default Recording record(Runnable launches) {
        throw new UnsupportedOperationException("device '" + description() + "' does not capture steps");
    }

    /** Launches that were recorded. */
    interface Recording extends AutoCloseable {

        /** Launches them all, in order. */
        void launch();

        /** Frees the recording. A second close does nothing. */
        @Override
        void close();
    }

    /** Gives all memory back. A second close does nothing. */
    @Override
    void close();
}
