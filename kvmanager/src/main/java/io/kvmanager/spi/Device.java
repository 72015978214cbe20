package io.kvmanager.spi;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import java.lang.foreign.MemorySegment;

/** Memory in two tiers and the kernels that work on it. Owned by one cache. */
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

    /** Gives all memory back. A second close does nothing. */
    @Override
    void close();
}
