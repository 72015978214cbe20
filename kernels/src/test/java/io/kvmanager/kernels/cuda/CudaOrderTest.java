package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.Tier;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.RowExchange;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What must be in order although nobody waits: copies to homes, table entries, buffers that are used again. */
@Tag(EmulatedDriver.TAG)
class CudaOrderTest {
    private static final int BLOCK_BYTES = OpenCuda.GEOMETRY.blockBytes();

    @Test
    void aStoredBlockMayBeOverwrittenAtOnce() {
        try (OpenCuda cuda = new OpenCuda()) {
            MemorySegment homes = cuda.device.allocate(Tier.HOST, 8L * BLOCK_BYTES);
            MemorySegment other = cuda.device.allocate(Tier.HOST, BLOCK_BYTES);
            MemorySegment tableMemory = cuda.device.allocate(Tier.DEVICE, 4);
            IntTable table = cuda.device.table(tableMemory);
            float[] row = new float[OpenCuda.GEOMETRY.keyValueRowElements()];
            Arrays.fill(row, -1);
            MemorySegment rows = cuda.floats(row);
            MemorySegment kept = cuda.device.allocate(Tier.DEVICE, 4);
            cuda.device.write(MemorySegment.ofArray(new int[] {3}), kept, 0, 4);
            Runnable[] writers = {
                () -> cuda.kernels.zero(0),
                () -> cuda.kernels.copyBlock(9, 1),
                () -> cuda.kernels.append(Role.KEY, table.memory(), 0, rows, 1),
                () -> cuda.kernels.load(other, 0, 3),
                () -> cuda.fill(4, -1),
                () -> cuda.kernels.compact(Role.KEY, table.memory(), table.memory(), kept, 0, 1),
                () -> cuda.kernels.summarise(9, 6, 0),
                () -> cuda.device.copy(cuda.slab, 9L * BLOCK_BYTES, cuda.slab, 7L * BLOCK_BYTES, BLOCK_BYTES)
            };
            for (int block = 0; block < writers.length; block++) {
                table.set(0, block);
                cuda.fill(block, 10 + block);
                cuda.kernels.store(block, homes, (long) block * BLOCK_BYTES);
                writers[block].run();
                assertEquals(10 + block, cuda.home(homes, block), "writer " + block);
            }
        }
    }

    @Test
    void aHomeIsReadOnlyWhenItsBlockHasArrived() {
        try (OpenCuda cuda = new OpenCuda()) {
            MemorySegment homes = cuda.device.allocate(Tier.HOST, 2L * BLOCK_BYTES);
            cuda.fill(0, 5);
            cuda.kernels.store(0, homes, 0);
            cuda.kernels.load(homes, 0, 1);
            assertEquals(5, cuda.first(1));
            cuda.fill(0, 6);
            cuda.kernels.store(0, homes, BLOCK_BYTES);
            cuda.kernels.loadTile(homes, BLOCK_BYTES, OpenCuda.GEOMETRY.tileIndex(2, 0));
            assertEquals(6, cuda.first(2));
        }
    }

    @Test
    void aHomeIsReplacedOnlyWhenItsReadersAreDone() {
        try (OpenCuda cuda = new OpenCuda()) {
            MemorySegment homes = cuda.device.allocate(Tier.HOST, BLOCK_BYTES);
            cuda.fill(0, 5);
            cuda.fill(1, 6);
            cuda.kernels.store(0, homes, 0);
            cuda.kernels.load(homes, 0, 2);
            cuda.kernels.store(1, homes, 0);
            assertEquals(5, cuda.first(2));
            assertEquals(6, cuda.home(homes, 0));
        }
    }

    @Test
    void aKernelSeesTheTableAsItWasAtItsLaunch() {
        try (OpenCuda cuda = new OpenCuda()) {
            IntTable table = cuda.device.table(cuda.device.allocate(Tier.DEVICE, 4));
            int row = OpenCuda.GEOMETRY.keyValueRowElements();
            MemorySegment out = cuda.device.allocate(Tier.DEVICE, 4L * row * OpenCuda.BLOCKS);
            for (int block = 0; block < OpenCuda.BLOCKS; block++) {
                cuda.fill(block, block);
            }
            for (int block = 0; block < OpenCuda.BLOCKS; block++) {
                table.set(0, block);
                cuda.kernels.read(Role.KEY, table.memory(), 0, out.asSlice(4L * row * block), 1);
            }
            float[] read = new float[row * OpenCuda.BLOCKS];
            cuda.device.read(out, 0, MemorySegment.ofArray(read), out.byteSize());
            for (int block = 0; block < OpenCuda.BLOCKS; block++) {
                assertEquals(block, read[row * block], "launch " + block);
            }
        }
    }

    @Test
    void whatIsWrittenDoesNotChangeWithItsSource() {
        try (OpenCuda cuda = new OpenCuda()) {
            int ints = 3 << 20; // several rounds of the ring
            int[] numbers = new int[ints];
            Arrays.setAll(numbers, i -> i);
            MemorySegment memory = cuda.device.allocate(Tier.DEVICE, 4L * ints);
            cuda.device.write(MemorySegment.ofArray(numbers), memory, 0, 4L * ints);
            int[] expected = numbers.clone();
            Arrays.fill(numbers, -1);
            cuda.device.read(memory, 0, MemorySegment.ofArray(numbers), 4L * ints);
            assertArrayEquals(expected, numbers);
        }
    }

    @Test
    void rowsInHostMemoryMayChangeOnceTheyWereHandedOver() {
        try (OpenCuda cuda = new OpenCuda();
                Arena arena = Arena.ofShared()) {
            RowExchange exchange = cuda.device.exchange();
            int row = OpenCuda.GEOMETRY.keyValueRowElements();
            IntTable table = cuda.device.table(cuda.device.allocate(Tier.DEVICE, 4));
            table.set(0, 0);
            MemorySegment k = arena.allocate(4L * row, 64);
            for (int slot = 0; slot < 4; slot++) {
                k.fill((byte) 0);
                k.set(ValueLayout.JAVA_FLOAT, 0, 7 + slot);
                cuda.kernels.append(Role.KEY, table.memory(), slot, exchange.keys(k), 1);
            }
            MemorySegment read = arena.allocate(4L * 4 * row, 64);
            cuda.kernels.read(Role.KEY, table.memory(), 0, exchange.output(read), 4);
            exchange.deliver(read);
            for (int slot = 0; slot < 4; slot++) {
                assertEquals(7 + slot, read.getAtIndex(ValueLayout.JAVA_FLOAT, (long) slot * row));
            }
        }
    }

    @Test
    void rowsThatKernelsCanAddressAreNotCopied() {
        try (OpenCuda cuda = new OpenCuda()) {
            RowExchange exchange = cuda.device.exchange();
            MemorySegment onDevice = cuda.device.allocate(Tier.DEVICE, 64).asSlice(16);
            MemorySegment pinned = cuda.device.allocate(Tier.HOST, 64);
            long waits = cuda.driver.count("synchronisations");
            for (MemorySegment rows : new MemorySegment[] {onDevice, pinned}) {
                assertEquals(rows, exchange.queries(rows));
                assertEquals(rows, exchange.output(rows));
            }
            exchange.deliver(onDevice);
            assertEquals(waits, cuda.driver.count("synchronisations"));
            exchange.deliver(pinned);
            assertEquals(waits + 1, cuda.driver.count("synchronisations"));
        }
    }
}
