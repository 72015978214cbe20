package io.kvmanager.kernels.cuda;

import static io.kvmanager.spi.BlockTables.ABSENT;

import java.util.ArrayList;
import java.util.List;

/** A recount of a tile cache's tables, as {@link io.kvmanager.spi.TileResidency#tableBytes} lays them out. */
final class ResidencyAudit {
    private final int[] entries;
    private final int tiles;
    private final int slots;
    private final int kvHeads;
    private final int freeCount;

    /**
     * Looks at a copy.
     *
     * @param entries the tables
     * @param tiles homes * KV heads
     * @param slots tile slots
     * @param freeCount slots on the free list
     */
    ResidencyAudit(int[] entries, int tiles, int slots, int kvHeads, int freeCount) {
        this.entries = entries;
        this.tiles = tiles;
        this.slots = slots;
        this.kvHeads = kvHeads;
        this.freeCount = freeCount;
    }

    /** A line for everything that does not add up. */
    List<String> findings(int[] references) {
        List<String> found = new ArrayList<>();
        int held = 0;
        for (int slot = 0; slot < slots; slot++) {
            int tile = tileOfSlot(slot);
            if (tile == ABSENT) {
                continue;
            }
            held++;
            if (tile < 0 || tile >= tiles) {
                found.add("tile slot " + slot + " holds tile " + tile + " of " + tiles);
            } else if (slotOfTile(tile) != slot) {
                found.add("tile slot " + slot + " holds tile " + tile + ", said to be in slot " + slotOfTile(tile));
            } else if (references[tile / kvHeads] <= 0) {
                found.add("tile slot " + slot + " holds a tile of the free home " + tile / kvHeads);
            }
        }
        for (int tile = 0; tile < tiles; tile++) {
            int slot = slotOfTile(tile);
            if (slot != ABSENT && (slot < 0 || slot >= slots || tileOfSlot(slot) != tile)) {
                found.add("tile " + tile + " is said to be in slot " + slot + ", which does not hold it");
            }
        }
        if (held + freeCount != slots) {
            found.add(held + " held and " + freeCount + " free tile slots are not " + slots);
        }
        for (int i = 0; i < freeCount; i++) {
            int slot = entries[tiles + 3 * slots + i];
            if (slot < 0 || slot >= slots || tileOfSlot(slot) != ABSENT) {
                found.add("free tile slot " + slot + " is none, or holds a tile");
            }
        }
        return found;
    }

    private int slotOfTile(int tile) {
        return entries[tile];
    }

    private int tileOfSlot(int slot) {
        return entries[tiles + slot];
    }
}
