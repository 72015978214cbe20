package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.IntTable;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What every device does with memory. Subclasses say which device. */
public abstract class DeviceContract {
    private static final long PAGE_BYTES = 4096;

    /** A device of its own for one test. */
    protected abstract Device openDevice();

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 4, 4095, 4096, 4097, (4L << 20) - 1, 4L << 20, (4L << 20) + 12_345, 33L << 20})
    void memoryIsZeroedAlignedAndOfExactSize(long bytes) {
        try (Device device = openDevice()) {
            MemorySegment memory = device.allocate(Tier.DEVICE, bytes);
            assertEquals(bytes, memory.byteSize());
            assertEquals(0, memory.address() % PAGE_BYTES);
            byte[] read = new byte[(int) bytes];
            Arrays.fill(read, (byte) 1);
            device.read(memory, 0, MemorySegment.ofArray(read), bytes);
            assertArrayEquals(new byte[(int) bytes], read);
        }
    }

    @ParameterizedTest
    @EnumSource(Tier.class)
    void sizesAreCountedPerTier(Tier tier) {
        Tier other = tier == Tier.HOST ? Tier.DEVICE : Tier.HOST;
        try (Device device = openDevice()) {
            device.allocate(tier, 1);
            device.allocate(tier, 5L << 20);
            device.allocate(other, 7);
            assertEquals((5L << 20) + 1, device.allocatedBytes(tier));
            assertEquals(7, device.allocatedBytes(other));
        }
    }

    @Test
    void piecesDoNotOverlap() {
        try (Device device = openDevice()) {
            MemorySegment first = device.allocate(Tier.DEVICE, 5L << 20);
            MemorySegment second = device.allocate(Tier.DEVICE, 5L << 20);
            byte[] bytes = new byte[5 << 20];
            Arrays.fill(bytes, (byte) 1);
            device.write(MemorySegment.ofArray(bytes), first, 0, bytes.length);
            device.read(second, 0, MemorySegment.ofArray(bytes), bytes.length);
            assertArrayEquals(new byte[5 << 20], bytes);
        }
    }

    @Test
    void copiesKeepTheirOrderAndTheirOffsets() {
        try (Device device = openDevice()) {
            MemorySegment from = device.allocate(Tier.DEVICE, 64);
            MemorySegment to = device.allocate(Tier.DEVICE, 64);
            int[] written = {1, 2, 3, 4};
            device.write(MemorySegment.ofArray(written), from, 16, 16);
            written[0] = 99; // what was written is not this any more
            device.copy(from, 12, to, 40, 16);
            device.write(MemorySegment.ofArray(new int[] {7}), from, 16, 4);
            int[] read = new int[16];
            device.read(to, 0, MemorySegment.ofArray(read), 64);
            assertArrayEquals(new int[] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0}, read);
            int[] tail = new int[3];
            device.read(from, 16, MemorySegment.ofArray(tail), 12);
            assertArrayEquals(new int[] {7, 2, 3}, tail);
        }
    }

    @Test
    void aTableIsTheSameForHostAndDevice() {
        try (Device device = openDevice()) {
            MemorySegment memory = device.allocate(Tier.DEVICE, 4L * 1000);
            IntTable table = device.table(memory.asSlice(4L * 100, 4L * 800));
            assertEquals(800, table.size());
            table.fill(0, 800, -1);
            for (int i = 0; i < 800; i += 3) {
                table.set(i, i);
            }
            table.set(3, 5);
            table.set(3, 6);
            DeviceCount count = new DeviceCount(table, 799, 10);
            count.set(9);
            int[] read = new int[1000];
            device.read(memory, 0, MemorySegment.ofArray(read), 4L * 1000);
            for (int i = 0; i < 1000; i++) {
                int at = i - 100;
                int expected = at < 0 || at >= 800 ? 0 : at == 799 ? 9 : at == 3 ? 6 : at % 3 == 0 ? at : -1;
                assertEquals(expected, read[i], "entry " + at);
                if (at >= 0 && at < 800) {
                    assertEquals(expected, table.get(at), "entry " + at);
                }
            }
            assertEquals(9, count.value());
            assertThrows(IllegalArgumentException.class, () -> count.set(11));
        }
    }

    @Test
    void aNegativeSizeIsRefused() {
        try (Device device = openDevice()) {
            assertThrows(IllegalArgumentException.class, () -> device.allocate(Tier.HOST, -1));
        }
    }

    @Test
    void closeGivesMemoryBackOnce() {
        Device device = openDevice();
        MemorySegment small = device.allocate(Tier.DEVICE, 64);
        MemorySegment large = device.allocate(Tier.DEVICE, 5L << 20);
        device.close();
        device.close();
        assertFalse(small.scope().isAlive());
        assertFalse(large.scope().isAlive());
        assertThrows(IllegalStateException.class, () -> device.allocate(Tier.DEVICE, 64));
    }

    @Test
    void aSlabIsAWholeNumberOfBlocks() {
        try (Device device = openDevice()) {
            CacheGeometry geometry = new CacheGeometry(1, 2, 1, 8, 16, ElementType.F32);
            MemorySegment slab = device.allocate(Tier.DEVICE, 3L * geometry.blockBytes() + 4);
            assertThrows(IllegalArgumentException.class, () -> device.kernels(geometry, slab));
        }
    }

    @Test
    void itSaysWhatItIs() {
        try (Device device = openDevice()) {
            assertFalse(device.description().isBlank());
        }
    }
}
