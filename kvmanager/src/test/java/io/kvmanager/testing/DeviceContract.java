package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.spi.Device;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
            assertEquals(-1, memory.mismatch(MemorySegment.ofArray(new byte[(int) bytes])));
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
            first.fill((byte) 1);
            assertEquals(0, second.get(ValueLayout.JAVA_BYTE, 0));
            assertEquals(0, second.get(ValueLayout.JAVA_BYTE, second.byteSize() - 1));
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
