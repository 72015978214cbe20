package io.kvmanager.spi;

import java.util.List;

/**
 * V's home below device memory, and the choice of what a step fetches from it. A home holds one block; homes are
 * reference-counted like blocks, because forks share them. Called by one thread at a time.
 */
public interface ValueTier extends AutoCloseable {

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

    /** Drops a reference; at 0 the home is free and its tiles leave the tile cache. */
    void release(int home);

    /** References of a home, for copy-on-write and audits. */
    int references(int home);

    /**
     * Chooses what one attention reads. Blocks with a device block are always read; of the others, each KV head's best
     * tiles by mass over its GQA group, as configured, are found in or brought into the tile cache. Fills the
     * workspace's tiles and rest.
     *
     * @param workspace mass is filled
     * @param blocks logical blocks
     * @param valueTable device block of each logical block, or absent
     * @param homeTable home of each logical block, or absent; one of the two is present
     * @param tally counts hits, misses, bytes and missed mass
     */
    void select(
            AttentionWorkspace workspace,
            DeviceCount blocks,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally);

    /** Homes in use. */
    int usedBlocks();

    /** Most homes ever in use. */
    int peakBlocks();

    /** Homes that are neither used nor reserved. */
    int availableBlocks();

    /** Everything that does not add up inside; empty when all is well. */
    List<String> audit();

    @Override
    void close();
}
