package io.kvmanager.spi;

import java.util.List;

/**
 * Homes of blocks in host memory. A home holds a copy of one block, written once; homes are reference-counted like
 * blocks, because forks share them. Called by one thread at a time.
 */
public interface BlockStore extends AutoCloseable {

    /** Sets {@code blocks} homes aside for later {@link #store} calls; false, and nothing changed, if short. */
    boolean tryReserve(int blocks);

    /** Gives homes that were set aside and not used back. */
    void unreserve(int blocks);

    /**
     * Writes a block through to a home taken from what was reserved.
     *
     * @return the home, with one reference
     * @throws IllegalStateException if nothing is reserved
     */
    int store(int blockId);

    /** Copies a home back into a block. */
    void load(int home, int blockId);

    void retain(int home);

    /** Drops a reference; at 0 the home is free. */
    void release(int home);

    /** References of a home, for copy-on-write and audits; 0 for a free one. */
    int references(int home);

    /** Homes in use. */
    int usedBlocks();

    /** Most homes ever in use. */
    int peakBlocks();

    /** Homes that are neither used nor reserved. */
    int availableBlocks();

    /** Everything that does not add up inside; empty when all is well. */
    List<String> audit();

    /** Ends the use of the homes; their memory is the device's. */
    @Override
    void close();
}
