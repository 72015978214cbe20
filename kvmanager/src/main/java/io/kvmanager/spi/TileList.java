package io.kvmanager.spi;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The value tiles that one attention reads, per KV head, in ascending logical block order where order matters. The
 * methods that read or change entries need memory that the host can address.
 *
 * <pre>
 * counts [kvHeads]              int32   entries of each KV head
 * blocks [kvHeads][capacity]    int32   logical block of an entry: its weights start at block * blockTokens
 * tiles  [kvHeads][capacity]    int32   tile index of an entry in the slab
 * </pre>
 */
public final class TileList {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    private final int kvHeads;
    private final int capacity;
    private final MemorySegment counts;
    private final MemorySegment blocks;
    private final MemorySegment tiles;

    public TileList(Device device, int kvHeads, int capacity) {
        this.kvHeads = kvHeads;
        this.capacity = capacity;
        this.counts = device.allocate(Tier.DEVICE, 4L * kvHeads);
        this.blocks = device.allocate(Tier.DEVICE, 4L * kvHeads * capacity);
        this.tiles = device.allocate(Tier.DEVICE, 4L * kvHeads * capacity);
    }

    /** Device bytes that a list takes. */
    public static long bytes(int kvHeads, int capacity) {
        return 4L * kvHeads * (1 + 2L * capacity);
    }

    public void clear() {
        counts.fill((byte) 0);
    }

    /** Adds one tile for {@code kvHead}. */
    public void add(int kvHead, int logicalBlock, int tileIndex) {
        int count = counts.getAtIndex(INT, kvHead);
        if (count >= capacity) {
            throw new IllegalStateException("tile list of KV head " + kvHead + " is full: " + capacity);
        }
        blocks.setAtIndex(INT, (long) kvHead * capacity + count, logicalBlock);
        tiles.setAtIndex(INT, (long) kvHead * capacity + count, tileIndex);
        counts.setAtIndex(INT, kvHead, count + 1);
    }

    /** Adds every KV head's tile of the blocks of {@code table}, entries 0..count-1; absent entries are left out. */
    public void addBlocks(CacheGeometry geometry, MemorySegment table, int count) {
        for (int block = 0; block < count; block++) {
            int id = table.getAtIndex(INT, block);
            if (id != BlockTables.ABSENT) {
                for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
                    add(kvHead, block, geometry.tileIndex(id, kvHead));
                }
            }
        }
    }

    /** {@code [kvHeads]} int32 in device memory. */
    public MemorySegment counts() {
        return counts;
    }

    /** {@code [kvHeads][capacity]} int32 in device memory. */
    public MemorySegment blocks() {
        return blocks;
    }

    /** {@code [kvHeads][capacity]} int32 in device memory. */
    public MemorySegment tiles() {
        return tiles;
    }

    public int count(int kvHead) {
        return counts.getAtIndex(INT, kvHead);
    }

    public int block(int kvHead, int entry) {
        return blocks.getAtIndex(INT, (long) kvHead * capacity + entry);
    }

    public int tile(int kvHead, int entry) {
        return tiles.getAtIndex(INT, (long) kvHead * capacity + entry);
    }

    /** Entries that one KV head can hold. */
    public int capacity() {
        return capacity;
    }
}
