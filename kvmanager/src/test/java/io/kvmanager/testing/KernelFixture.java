package io.kvmanager.testing;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.BlockTables;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.TileList;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A device with one slab whose every byte is poison (NaN in all element types) until a block is taken and zeroed, and
 * whose blocks are handed out in random order.
 */
final class KernelFixture implements AutoCloseable {
    private static final byte POISON = (byte) 0xff;

    final CacheGeometry geometry;
    final Device device;
    final AttentionKernels kernels;
    final MemorySegment slab;
    final SplittableRandom random;
    private final int[] freeBlocks;
    private int taken;

    KernelFixture(Device device, CacheGeometry geometry, int blocks, long seed) {
        this.device = device;
        this.geometry = geometry;
        this.random = new SplittableRandom(seed);
        this.slab = device.allocate(Tier.DEVICE, (long) blocks * geometry.blockBytes());
        poison(slab);
        this.kernels = device.kernels(geometry, slab);
        this.freeBlocks = new int[blocks];
        for (int i = 0; i < blocks; i++) {
            freeBlocks[i] = i;
        }
        for (int i = blocks - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int swapped = freeBlocks[i];
            freeBlocks[i] = freeBlocks[j];
            freeBlocks[j] = swapped;
        }
    }

    /** A random free block, zeroed. */
    int takeBlock() {
        int id = freeBlocks[taken++];
        kernels.zero(id);
        return id;
    }

    /** A table of scattered zeroed blocks for {@code tokens} tokens, and one absent entry behind them. */
    MemorySegment table(int tokens) {
        int blocks = geometry.blocksFor(tokens);
        int[] ids = new int[blocks + 1];
        for (int i = 0; i < blocks; i++) {
            ids[i] = takeBlock();
        }
        ids[blocks] = BlockTables.ABSENT;
        return ints(ids);
    }

    /** Block id of a table's entry. */
    int id(MemorySegment table, int entry) {
        return read(table).getAtIndex(ValueLayout.JAVA_INT, entry);
    }

    /** A count in device memory. */
    DeviceCount count(int value, int limit) {
        DeviceCount count = new DeviceCount(device.table(device.allocate(Tier.DEVICE, 4)), 0, limit);
        count.set(value);
        return count;
    }

    /** Device memory as the host may look at it: a copy. */
    MemorySegment read(MemorySegment memory) {
        MemorySegment copy = Arena.ofAuto().allocate(Math.max(1, memory.byteSize()), 8);
        device.read(memory, 0, copy, memory.byteSize());
        return copy.asSlice(0, memory.byteSize());
    }

    /** Fills device memory with NaN. */
    void poison(MemorySegment memory) {
        byte[] poison = new byte[(int) memory.byteSize()];
        Arrays.fill(poison, POISON);
        device.write(MemorySegment.ofArray(poison), memory, 0, poison.length);
    }

    /** Fills a list with entries {@code {logical block, tile}} of each KV head. */
    void fill(TileList list, List<List<int[]>> entries) {
        int[] counts = new int[entries.size()];
        int[] blocks = new int[entries.size() * list.capacity()];
        int[] tiles = new int[blocks.length];
        for (int kvHead = 0; kvHead < counts.length; kvHead++) {
            for (int[] entry : entries.get(kvHead)) {
                int at = kvHead * list.capacity() + counts[kvHead]++;
                blocks[at] = entry[0];
                tiles[at] = entry[1];
            }
        }
        device.write(MemorySegment.ofArray(counts), list.counts(), 0, 4L * counts.length);
        device.write(MemorySegment.ofArray(blocks), list.blocks(), 0, 4L * blocks.length);
        device.write(MemorySegment.ofArray(tiles), list.tiles(), 0, 4L * tiles.length);
    }

    /** Random elements in -limit..limit. */
    float[] elements(int count, float limit) {
        float[] elements = new float[count];
        for (int i = 0; i < count; i++) {
            elements[i] = limit * (2 * (float) random.nextDouble() - 1);
        }
        return elements;
    }

    /** Random rows of K or V, already rounded to the stored type. */
    float[] rows(int count) {
        float[] rows = elements(count * geometry.keyValueRowElements(), 1);
        for (int i = 0; i < rows.length; i++) {
            rows[i] = rounded(rows[i]);
        }
        return rows;
    }

    /** What is read back after {@code value} was stored. */
    float rounded(float value) {
        ElementType type = geometry.elementType();
        return type == ElementType.F32 ? value : type.decode(type.encode(value));
    }

    MemorySegment floats(float... elements) {
        MemorySegment memory = device.allocate(Tier.DEVICE, 4L * elements.length);
        device.write(MemorySegment.ofArray(elements), memory, 0, memory.byteSize());
        return memory;
    }

    /** F32 memory full of NaN: whoever leaves an element unwritten is found out. */
    MemorySegment poisoned(int elements) {
        MemorySegment memory = device.allocate(Tier.DEVICE, 4L * elements);
        poison(memory);
        return memory;
    }

    MemorySegment ints(int... elements) {
        MemorySegment memory = device.allocate(Tier.DEVICE, 4L * elements.length);
        device.write(MemorySegment.ofArray(elements), memory, 0, memory.byteSize());
        return memory;
    }

    /** Rows 0..count-1 behind {@code table} as dense F32. */
    float[] readBack(Role role, MemorySegment table, int count) {
        MemorySegment memory = poisoned(count * geometry.keyValueRowElements());
        kernels.read(role, table, 0, memory, count);
        return read(memory).toArray(ValueLayout.JAVA_FLOAT);
    }

    /** Whether every block that was never taken is still all poison. */
    boolean freeBlocksUntouched() {
        byte[] poison = new byte[geometry.blockBytes()];
        Arrays.fill(poison, POISON);
        MemorySegment all = read(slab);
        for (int i = taken; i < freeBlocks.length; i++) {
            long offset = geometry.blockOffset(freeBlocks[i]);
            if (all.asSlice(offset, poison.length).mismatch(MemorySegment.ofArray(poison)) >= 0) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void close() {
        device.close();
    }
}
