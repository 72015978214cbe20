package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.spi.Role;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Everything over a slab that only copies or converts: blocks, tiles and rows. Shared by all host kernels.
 *
 * <p>Rows outside are {@code [count][kvHeads][headSize]} F32. Rows inside are where {@link CacheGeometry} puts them,
 * and keys where {@link KeyTiles} does.
 */
final class BlockRows {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;

    private final CacheGeometry geometry;
    private final MemorySegment slab;
    private final KeyTiles keys;
    private final MemorySegment zeros; // copied from: a slice to fill would be an allocation
    private final int kvHeads;
    private final int headSize;
    private final int rowBytes;
    private final int slotShift;
    private final int slotMask;

    BlockRows(CacheGeometry geometry, MemorySegment slab) {
        this.geometry = geometry;
        this.slab = slab;
        this.keys = new KeyTiles(geometry, slab);
        this.zeros = MemorySegment.ofArray(new byte[geometry.blockBytes()]);
        this.kvHeads = geometry.kvHeads();
        this.headSize = geometry.headSize();
        this.rowBytes = geometry.rowBytes();
        this.slotShift = Integer.numberOfTrailingZeros(geometry.blockTokens());
        this.slotMask = geometry.blockTokens() - 1;
    }

    void zero(int blockId) {
        MemorySegment.copy(zeros, 0, slab, geometry.blockOffset(blockId), geometry.blockBytes());
    }

    void copyBlock(int fromBlockId, int toBlockId) {
        MemorySegment.copy(
                slab, geometry.blockOffset(fromBlockId), slab, geometry.blockOffset(toBlockId), geometry.blockBytes());
    }

    void store(int blockId, MemorySegment host, long hostOffset) {
        MemorySegment.copy(slab, geometry.blockOffset(blockId), host, hostOffset, geometry.blockBytes());
    }

    void load(MemorySegment host, long hostOffset, int blockId) {
        MemorySegment.copy(host, hostOffset, slab, geometry.blockOffset(blockId), geometry.blockBytes());
    }

    void loadTile(MemorySegment host, long hostOffset, int tileIndex) {
        MemorySegment.copy(host, hostOffset, slab, geometry.tileOffset(tileIndex), geometry.tileBytes());
    }

    void append(Role role, MemorySegment table, int firstSlot, MemorySegment rows, int count) {
        for (int i = 0; i < count; i++) {
            int blockId = blockId(table, firstSlot + i);
            int slot = (firstSlot + i) & slotMask;
            for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
                long from = 4L * headSize * ((long) i * kvHeads + kvHead);
                if (role == Role.KEY) {
                    keys.encode(rows, from, blockId, kvHead, slot);
                } else {
                    encode(rows, from, geometry.rowOffset(blockId, kvHead, slot));
                }
            }
        }
    }

    void read(Role role, MemorySegment table, int firstSlot, MemorySegment rows, int count) {
        for (int i = 0; i < count; i++) {
            int blockId = blockId(table, firstSlot + i);
            int slot = (firstSlot + i) & slotMask;
            for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
                long to = 4L * headSize * ((long) i * kvHeads + kvHead);
                if (role == Role.KEY) {
                    keys.decode(blockId, kvHead, slot, rows, to);
                } else {
                    decode(geometry.rowOffset(blockId, kvHead, slot), rows, to);
                }
            }
        }
    }

    void compact(
            Role role, MemorySegment fromTable, MemorySegment toTable, MemorySegment kept, int firstSlot, int count) {
        for (int i = 0; i < count; i++) {
            int from = kept.getAtIndex(INT, i);
            int to = firstSlot + i;
            int fromBlockId = blockId(fromTable, from);
            int toBlockId = blockId(toTable, to);
            if (fromBlockId != toBlockId || from != to) {
                for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
                    copyRow(role, kvHead, fromBlockId, from & slotMask, toBlockId, to & slotMask);
                }
            }
        }
    }

    void copyRow(Role role, int kvHead, int fromBlockId, int fromSlot, int toBlockId, int toSlot) {
        if (role == Role.KEY) {
            keys.copy(kvHead, fromBlockId, fromSlot, toBlockId, toSlot);
        } else {
            long from = geometry.rowOffset(fromBlockId, kvHead, fromSlot);
            MemorySegment.copy(slab, from, slab, geometry.rowOffset(toBlockId, kvHead, toSlot), rowBytes);
        }
    }

    void summarise(int blockId, int summaryBlockId, int summarySlot) {
        int slots = geometry.blockTokens();
        for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
            long from = geometry.rowOffset(blockId, kvHead, 0);
            long to = geometry.rowOffset(summaryBlockId, kvHead, summarySlot);
            for (int e = 0; e < headSize; e++) {
                double sum = 0;
                for (int slot = 0; slot < slots; slot++) {
                    sum += element(from + (long) slot * rowBytes, e);
                }
                setElement(to, e, (float) (sum / slots));
            }
        }
    }

    private int blockId(MemorySegment table, int slot) {
        return table.getAtIndex(INT, slot >> slotShift);
    }

    /** Byte offset in the slab of the row of logical slot {@code slot} of {@code table}, no key, for one KV head. */
    long rowOffset(MemorySegment table, int slot, int kvHead) {
        return geometry.rowOffset(blockId(table, slot), kvHead, slot & slotMask);
    }

    /** Decodes the key of logical slot {@code slot} of {@code table}. */
    void key(MemorySegment table, int slot, int kvHead, float[] to) {
        keys.decode(blockId(table, slot), kvHead, slot & slotMask, to);
    }

    private float element(long rowOffset, int index) {
        return switch (geometry.elementType()) {
            case F32 -> slab.get(FLOAT, rowOffset + 4L * index);
            case F16 -> Float.float16ToFloat(slab.get(SHORT, rowOffset + 2L * index));
            case BF16 -> Float.intBitsToFloat(slab.get(SHORT, rowOffset + 2L * index) << 16);
        };
    }

    /** Decodes the row at {@code rowOffset}. */
    void row(long rowOffset, float[] to, int at) {
        switch (geometry.elementType()) {
            case F32 -> MemorySegment.copy(slab, FLOAT, rowOffset, to, at, headSize);
            case F16 -> {
                for (int e = 0; e < headSize; e++) {
                    to[at + e] = Float.float16ToFloat(slab.get(SHORT, rowOffset + 2L * e));
                }
            }
            case BF16 -> {
                for (int e = 0; e < headSize; e++) {
                    to[at + e] = Float.intBitsToFloat(slab.get(SHORT, rowOffset + 2L * e) << 16);
                }
            }
        }
    }

    /** Stores one element of the row at {@code rowOffset}. */
    void setElement(long rowOffset, int index, float value) {
        ElementType type = geometry.elementType();
        if (type == ElementType.F32) {
            slab.set(FLOAT, rowOffset + 4L * index, value);
        } else {
            slab.set(SHORT, rowOffset + 2L * index, type.encode(value));
        }
    }

    private void encode(MemorySegment rows, long from, long to) {
        switch (geometry.elementType()) {
            case F32 -> MemorySegment.copy(rows, from, slab, to, rowBytes);
            case F16 -> {
                for (int e = 0; e < headSize; e++) {
                    slab.set(SHORT, to + 2L * e, Float.floatToFloat16(rows.get(FLOAT, from + 4L * e)));
                }
            }
            case BF16 -> {
                for (int e = 0; e < headSize; e++) {
                    slab.set(SHORT, to + 2L * e, ElementType.BF16.encode(rows.get(FLOAT, from + 4L * e)));
                }
            }
        }
    }

    private void decode(long from, MemorySegment rows, long to) {
        switch (geometry.elementType()) {
            case F32 -> MemorySegment.copy(slab, from, rows, to, rowBytes);
            case F16 -> {
                for (int e = 0; e < headSize; e++) {
                    rows.set(FLOAT, to + 4L * e, Float.float16ToFloat(slab.get(SHORT, from + 2L * e)));
                }
            }
            case BF16 -> {
                for (int e = 0; e < headSize; e++) {
                    rows.set(FLOAT, to + 4L * e, Float.intBitsToFloat(slab.get(SHORT, from + 2L * e) << 16));
                }
            }
        }
    }
}
