package io.kvmanager.spi;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.ValueSelection;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Chooses the value tiles that a step reads and keeps the fetched ones in the tile cache. A device that works on memory
 * which the host cannot address brings its own, as kernels; it makes the same choices as the host's.
 */
public interface TileResidency {
    /** Calls of {@link #refine} behind one select, at most; the last one selects everything that has a share. */
    int ROUNDS = 4;

    /** Entries of the control table. */
    int CONTROL_INTS = 4;

    /** See {@link ValueTier#select}. */
    void select(
            AttentionWorkspace workspace,
            DeviceCount blocks,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally);

    /**
     * Selects more tiles where the error bound of a query head exceeds the selection's share of its output's norm.
     * Behind a {@code certified} selection, {@link #select} chooses nothing: what is resident is read.
     *
     * @param reaches {@code [homes][kvHeads]}
     * @param out output with what is selected so far
     * @param round 0 for the first call behind a select
     * @return whether out may have to be computed again; false where the bound is known to be met or nothing is left to
     *     read. A device that runs behind the host does not know, and skips by itself what would change nothing
     */
    default boolean refine(
            AttentionWorkspace workspace, MemorySegment reaches, MemorySegment out, int round, FetchTally tally) {
        throw new UnsupportedOperationException("this residency has no error bound");
    }

    /** Counts the error bound of an attention that has been computed, and behind {@code certified} what it missed. */
    default void account(AttentionWorkspace workspace, MemorySegment reaches, MemorySegment out, FetchTally tally) {
        tally.withoutBound();
    }

    /** Drops the tiles of a home that was freed, before the home can be written again. */
    void invalidate(int home);

    /**
     * Everything that does not add up inside; empty when all is well.
     *
     * @param references references of each home, 0 if free
     */
    List<String> audit(int[] references);

    /**
     * What the bounds of a round are brought down to, as a share of an output's norm; that of round 0 is also what they
     * may be. A bound of at most {@code epsilon / (1 + epsilon)} of the output's norm is at most {@code epsilon} of the
     * exact one's. Later rounds ask for less, since the norm of their output may be smaller; the last one for nothing.
     */
    static double goal(double epsilon, int round) {
        return epsilon / (1 + epsilon) * (1 - (double) round / (ROUNDS - 1));
    }

    /**
     * Device bytes of a residency's tables, on every device:
     *
     * <pre>
     * slotOfTile [homes * kvHeads]  tileOfSlot, referenced, stamp, freeSlots [slots]  blocks [tileCacheBlocks]
     * control    [{@value #CONTROL_INTS}]          hand, step, free slots, and one to spare; all int32
     * </pre>
     */
    static long tableBytes(CacheGeometry geometry, int tileCacheBlocks, int homes) {
        long slots = (long) tileCacheBlocks * geometry.kvHeads();
        return 4 * ((long) homes * geometry.kvHeads() + 4 * slots + tileCacheBlocks + CONTROL_INTS);
    }

    /**
     * What a residency works with.
     *
     * @param selection how tiles are chosen
     * @param compensation what stands in for the rest
     * @param store homes, {@code [homes][blockBytes]} in {@code Tier.HOST}
     * @param homes how many
     * @param tileCacheBlocks block ids of the slab that are split into tile slots, slot 0 first
     */
    record Request(
            CacheGeometry geometry,
            ValueSelection selection,
            Compensation compensation,
            MemorySegment store,
            int homes,
            List<Integer> tileCacheBlocks) {}
}
