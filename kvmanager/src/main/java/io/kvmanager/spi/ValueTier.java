package io.kvmanager.spi;

import java.lang.foreign.MemorySegment;

/**
 * V's home below device memory, and the choice of what a step fetches from it. A home that becomes free takes its tiles
 * out of the tile cache.
 */
public interface ValueTier extends BlockStore {

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

    /**
     * Computes one attention's output from its weights: chooses as {@link #select} does, or as many tiles as the
     * selection's bound asks for, reads them, adds what stands in for the rest, and counts how far the output can be
     * from the exact one.
     *
     * @param workspace weights and mass are filled
     * @param out {@code [queryHeads][headSize]}, written
     */
    void attend(AttentionWorkspace workspace, ValueTables tables, MemorySegment out, FetchTally tally);

    /**
     * Makes what stands in for a settled block of V when it is not read, and measures the block for the error bound.
     *
     * @param blockId the block, full
     * @param home its home, already stored
     * @param summaryBlockId block of means or ranges, or absent where the compensation has neither
     * @param summary which of its means or ranges
     * @param codeBlockId block of codes, or absent where there are no shadows
     * @param place which of its shadows
     */
    void seal(int blockId, int home, int summaryBlockId, int summary, int codeBlockId, int place);
}
