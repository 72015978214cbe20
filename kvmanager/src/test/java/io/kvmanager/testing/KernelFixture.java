package io.kvmanager.testing;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.BlockTables;
import io.kvmanager.spi.Device;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
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
        slab.fill(POISON);
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
        MemorySegment table = device.allocate(Tier.DEVICE, 4L * (blocks + 1));
        for (int i = 0; i < blocks; i++) {
            table.setAtIndex(ValueLayout.JAVA_INT, i, takeBlock());
        }
        table.setAtIndex(ValueLayout.JAVA_INT, blocks, BlockTables.ABSENT);
        return table;
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
        MemorySegment.copy(elements, 0, memory, ValueLayout.JAVA_FLOAT, 0, elements.length);
        return memory;
    }

    /** F32 memory full of NaN: whoever leaves an element unwritten is found out. */
    MemorySegment poisoned(int elements) {
        MemorySegment memory = device.allocate(Tier.DEVICE, 4L * elements);
        memory.fill(POISON);
        return memory;
    }

    MemorySegment ints(int... elements) {
        MemorySegment memory = device.allocate(Tier.DEVICE, 4L * elements.length);
        MemorySegment.copy(elements, 0, memory, ValueLayout.JAVA_INT, 0, elements.length);
        return memory;
    }

    /** Rows 0..count-1 behind {@code table} as dense F32. */
    float[] readBack(MemorySegment table, int count) {
        MemorySegment memory = poisoned(count * geometry.keyValueRowElements());
        kernels.read(table, 0, memory, count);
        return memory.toArray(ValueLayout.JAVA_FLOAT);
    }

    /** Whether every block that was never taken is still all poison. */
    boolean freeBlocksUntouched() {
        byte[] poison = new byte[geometry.blockBytes()];
        Arrays.fill(poison, POISON);
        for (int i = taken; i < freeBlocks.length; i++) {
            long offset = geometry.blockOffset(freeBlocks[i]);
            if (slab.asSlice(offset, poison.length).mismatch(MemorySegment.ofArray(poison)) >= 0) {
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
