package io.kvmanager.spi;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ValueSelection;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Chooses the value tiles that a step reads and keeps the fetched ones in the tile cache. A device that works on memory
 * which the host cannot address brings its own, as kernels; it makes the same choices as the host's.
 */
public interface TileResidency {
    /** Entries of the control table. */
    int CONTROL_INTS = 4;

    /** See {@link ValueTier#select}. */
    void select(
            AttentionWorkspace workspace,
            DeviceCount blocks,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally);

    /** Drops the tiles of a home that was freed, before the home can be written again. */
    void invalidate(int home);

    /**
     * Everything that does not add up inside; empty when all is well.
     *
     * @param references references of each home, 0 if free
     */
    List<String> audit(int[] references);

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
     * @param store homes, {@code [homes][blockBytes]} in {@code Tier.HOST}
     * @param homes how many
     * @param tileCacheBlocks block ids of the slab that are split into tile slots, slot 0 first
     */
    record Request(
            CacheGeometry geometry,
            ValueSelection selection,
            MemorySegment store,
            int homes,
            List<Integer> tileCacheBlocks) {}
}
