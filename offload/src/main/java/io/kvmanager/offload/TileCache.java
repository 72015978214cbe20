package io.kvmanager.offload;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.TileResidency;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Which fetched tiles are in device memory: CLOCK with a second chance over flat int32 arrays, laid out as
 * {@link TileResidency#tableBytes} says, so that the same algorithm can run where attention runs.
 *
 * <pre>
 * tile = home * kvHeads + kvHead         what is fetched
 * slot = 0 .. slots-1                    where it can be: a tile of one of the cache's blocks; any slot, any KV head
 *
 * slotOfTile  [homes * kvHeads]          slot of a tile, or ABSENT
 * tileOfSlot  [slots]                    tile in a slot, or ABSENT: the inverse
 * referenced  [slots]                    1 if hit since the hand passed
 * stamp       [slots]                    step that last used the slot; 0 never
 * freeSlots   [0 .. freeCount)           a stack
 * </pre>
 *
 * A step is:
 * <ol>
 *   <li>{@link #beginStep} opens it.
 *   <li>{@link #touch} every wanted tile: what is present gets its reference bit and the step's stamp. All of them
 *       before the first fetch, so that no fetch drops a tile that the same step wants.
 *   <li>{@link #fetch} every wanted tile that is absent: into a free slot if there is one, else the hand moves on. It
 *       passes slots of this step, takes the reference bit from slots that have it, drops the first that has none.
 * </ol>
 * A fetched tile starts without the bit and earns it by a hit, so tiles that are wanted once do not push out those that
 * are wanted again. The hand finds a slot within two rounds if a step wants no more tiles than there are slots; what a
 * step wants beyond that stays absent, and is read where it lies in host memory.
 */
final class TileCache {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    private final int kvHeads;
    private final int tileBytes;
    private final int slots;
    private final AttentionKernels kernels;
    private final MemorySegment store;
    private final CacheGeometry geometry;
    private final MemorySegment slotOfTile;
    private final MemorySegment tileOfSlot;
    private final MemorySegment referenced;
    private final MemorySegment stamp;
    private final MemorySegment freeSlots;
    private final MemorySegment blocks;
    private final int tiles;
    private int freeCount;
    private int hand;
    private int step;

    /** An empty cache. */
    TileCache(Device device, AttentionKernels kernels, TileResidency.Request request) {
        this.geometry = request.geometry();
        this.kvHeads = geometry.kvHeads();
        this.tileBytes = geometry.tileBytes();
        this.kernels = kernels;
        this.store = request.store();
        this.slots = Math.multiplyExact(request.tileCacheBlocks().size(), kvHeads);
        this.tiles = Math.multiplyExact(request.homes(), kvHeads);
        MemorySegment tables = device.allocate(
                Tier.DEVICE,
                TileResidency.tableBytes(geometry, request.tileCacheBlocks().size(), request.homes()));
        long slotBytes = 4L * slots;
        slotOfTile = tables.asSlice(0, 4L * tiles);
        tileOfSlot = tables.asSlice(4L * tiles, slotBytes);
        referenced = tables.asSlice(4L * tiles + slotBytes, slotBytes);
        stamp = tables.asSlice(4L * tiles + 2 * slotBytes, slotBytes);
        freeSlots = tables.asSlice(4L * tiles + 3 * slotBytes, slotBytes);
        blocks = tables.asSlice(4L * tiles + 4 * slotBytes, slotBytes / kvHeads);
        slotOfTile.fill((byte) 0xff); // ABSENT is all ones
        tileOfSlot.fill((byte) 0xff);
        for (int slot = 0; slot < slots; slot++) {
            freeSlots.setAtIndex(INT, slot, slots - 1 - slot);
        }
        for (int i = 0; i < request.tileCacheBlocks().size(); i++) {
            blocks.setAtIndex(INT, i, request.tileCacheBlocks().get(i));
        }
        freeCount = slots;
    }

    /** Opens a step: from here on, what it touches or fetches stays until the next. */
    void beginStep() {
        step++;
        if (step == 0) {
            // Once in 2^32 steps the numbers start again; old stamps must not look new.
            stamp.fill((byte) 0);
            step = 1;
        }
    }

    /** Marks a tile as used by this step, if it is present. */
    void touch(int home, int kvHead) {
        int slot = slot(home, kvHead);
        if (slot != ABSENT) {
            referenced.setAtIndex(INT, slot, 1);
            stamp.setAtIndex(INT, slot, step);
        }
    }

    /** The slot that holds a tile, or {@code ABSENT}. */
    int slot(int home, int kvHead) {
        return slotOfTile.getAtIndex(INT, (long) home * kvHeads + kvHead);
    }

    /** Tile index of a slot in the slab. */
    int slabTile(int slot) {
        return geometry.tileIndex(blocks.getAtIndex(INT, slot / kvHeads), slot % kvHeads);
    }

    /**
     * Copies an absent tile into a slot and returns the slot, or {@code ABSENT} if this step has taken all of them. A
     * copy that fails leaves the slot free.
     */
    int fetch(int home, int kvHead) {
        if (freeCount == 0) {
            int victim = victim();
            if (victim == ABSENT) {
                return ABSENT;
            }
            drop(victim);
        }
        int slot = freeSlots.getAtIndex(INT, freeCount - 1);
        int tile = home * kvHeads + kvHead;
        kernels.loadTile(store, (long) tile * tileBytes, slabTile(slot));
        freeCount--;
        slotOfTile.setAtIndex(INT, tile, slot);
        tileOfSlot.setAtIndex(INT, slot, tile);
        referenced.setAtIndex(INT, slot, 0);
        stamp.setAtIndex(INT, slot, step);
        return slot;
    }

    /** Drops what is held of a home that was freed. */
    void invalidate(int home) {
        for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
            int slot = slot(home, kvHead);
            if (slot != ABSENT) {
                drop(slot);
            }
        }
    }

    private void drop(int slot) {
        slotOfTile.setAtIndex(INT, tileOfSlot.getAtIndex(INT, slot), ABSENT);
        tileOfSlot.setAtIndex(INT, slot, ABSENT);
        freeSlots.setAtIndex(INT, freeCount++, slot);
    }

    private int victim() {
        for (int passed = 0; passed < 2 * slots; passed++) {
            int slot = hand;
            hand = hand + 1 == slots ? 0 : hand + 1;
            if (stamp.getAtIndex(INT, slot) == step) {
                continue;
            }
            if (referenced.getAtIndex(INT, slot) == 0) {
                return slot;
            }
            referenced.setAtIndex(INT, slot, 0);
        }
        return ABSENT;
    }

    /**
     * Recounts everything; a line for each thing that differs.
     *
     * @param references references of each home
     */
    List<String> audit(int[] references) {
        List<String> found = new ArrayList<>();
        int held = 0;
        for (int slot = 0; slot < slots; slot++) {
            int tile = tileOfSlot.getAtIndex(INT, slot);
            if (tile == ABSENT) {
                continue;
            }
            held++;
            if (tile < 0 || tile >= tiles) {
                found.add("tile slot " + slot + " holds tile " + tile + ", which is not one of " + tiles);
            } else if (slotOfTile.getAtIndex(INT, tile) != slot) {
                found.add("tile slot " + slot + " holds tile " + tile + ", which is in slot "
                        + slotOfTile.getAtIndex(INT, tile));
            } else if (references[tile / kvHeads] <= 0) {
                found.add("tile slot " + slot + " holds a tile of home " + tile / kvHeads + ", which is free");
            }
        }
        for (int tile = 0; tile < tiles; tile++) {
            int slot = slotOfTile.getAtIndex(INT, tile);
            if (slot != ABSENT && (slot < 0 || slot >= slots || tileOfSlot.getAtIndex(INT, slot) != tile)) {
                found.add("tile " + tile + " is said to be in slot " + slot + ", which does not hold it");
            }
        }
        if (held + freeCount != slots) {
            found.add(held + " held tile slots and " + freeCount + " free ones are not " + slots);
        }
        for (int i = 0; i < freeCount; i++) {
            int slot = freeSlots.getAtIndex(INT, i);
            if (tileOfSlot.getAtIndex(INT, slot) != ABSENT) {
                found.add("tile slot " + slot + " is on the free list and holds a tile");
            }
        }
        return found;
    }
}
