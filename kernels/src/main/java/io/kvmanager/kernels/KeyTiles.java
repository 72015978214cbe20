package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Where the elements of K lie in a tile, for all host kernels, and rows of K on their way in and out. Slots lie side by
 * side, so that a vector holds one element of many keys: all of them meet the same element of a query, and no lanes
 * have to be added up.
 *
 * <pre>
 * F32         [headSize][slot]           element e of every slot
 * F16, BF16   [headSize / 2][slot][2]    elements 2p and 2p + 1 of every slot, 32 bits together
 *             [slot]                     the last element of an odd head size
 * </pre>
 */
final class KeyTiles {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;

    private final CacheGeometry geometry;
    private final MemorySegment slab;
    private final ElementType type;
    private final int slots;
    private final int headSize;
    private final int pairedElements;

    KeyTiles(CacheGeometry geometry, MemorySegment slab) {
        this.geometry = geometry;
        this.slab = slab;
        this.type = geometry.elementType();
        this.slots = geometry.blockTokens();
        this.headSize = geometry.headSize();
        this.pairedElements = type == ElementType.F32 ? 0 : headSize / 2 * 2;
    }

    /** Byte offset of one element in its tile. */
    private int place(int slot, int element) {
        return element < pairedElements
                ? 4 * (element / 2 * slots + slot) + 2 * (element % 2)
                : type.bytes() * (element * slots + slot);
    }

    private long tile(int blockId, int kvHead) {
        return geometry.tileOffset(geometry.tileIndex(blockId, kvHead));
    }

    /** Stores the F32 row at byte {@code from} of {@code rows}. */
    void encode(MemorySegment rows, long from, int blockId, int kvHead, int slot) {
        long tile = tile(blockId, kvHead);
        for (int e = 0; e < headSize; e++) {
            float element = rows.get(FLOAT, from + 4L * e);
            if (type == ElementType.F32) {
                slab.set(FLOAT, tile + place(slot, e), element);
            } else {
                slab.set(SHORT, tile + place(slot, e), type.encode(element));
            }
        }
    }

    /** Reads a row back as F32. */
    void decode(int blockId, int kvHead, int slot, MemorySegment rows, long to) {
        long tile = tile(blockId, kvHead);
        for (int e = 0; e < headSize; e++) {
            rows.set(FLOAT, to + 4L * e, element(tile + place(slot, e)));
        }
    }

    /** Reads a row back as F32. */
    void decode(int blockId, int kvHead, int slot, float[] row) {
        long tile = tile(blockId, kvHead);
        for (int e = 0; e < headSize; e++) {
            row[e] = element(tile + place(slot, e));
        }
    }

    private float element(long at) {
        return type == ElementType.F32 ? slab.get(FLOAT, at) : type.decode(slab.get(SHORT, at));
    }

    void copy(int kvHead, int fromBlockId, int fromSlot, int toBlockId, int toSlot) {
        long from = tile(fromBlockId, kvHead);
        long to = tile(toBlockId, kvHead);
        for (int e = 0; e < headSize; e++) {
            if (type == ElementType.F32) {
                slab.set(FLOAT, to + place(toSlot, e), slab.get(FLOAT, from + place(fromSlot, e)));
            } else {
                slab.set(SHORT, to + place(toSlot, e), slab.get(SHORT, from + place(fromSlot, e)));
            }
        }
    }
}
