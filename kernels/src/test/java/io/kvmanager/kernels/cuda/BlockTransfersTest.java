package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Tier;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Blocks that go between the tiers together arrive as if each had gone by itself. */
@Tag(EmulatedDriver.TAG)
class BlockTransfersTest {
    private static final int BLOCK_BYTES = OpenCuda.GEOMETRY.blockBytes();
    private static final int HOMES = 40;
    private static final int OPERATIONS = 3000;

    private static OpenCuda open(CopyWay way) {
        return new OpenCuda(new CudaArgument(0, false, way));
    }

    /** Random stores and loads, few of them with anything between, against a model that does them one by one. */
    @ParameterizedTest
    @EnumSource(CopyWay.class)
    void everyOrderOfCallsIsKept(CopyWay way) {
        long seed = 11;
        SplittableRandom random = new SplittableRandom(seed);
        try (OpenCuda cuda = open(way)) {
            MemorySegment homes = cuda.device.allocate(Tier.HOST, (long) HOMES * BLOCK_BYTES);
            float[] blockNumbers = new float[OpenCuda.BLOCKS];
            float[] homeNumbers = new float[HOMES];
            for (int block = 0; block < OpenCuda.BLOCKS; block++) {
                blockNumbers[block] = 1 + block;
                cuda.fill(block, blockNumbers[block]);
            }
            for (int i = 0; i < OPERATIONS; i++) {
                int block = random.nextInt(OpenCuda.BLOCKS);
                int home = random.nextInt(HOMES);
                boolean turn = random.nextInt(40) == 0;
                if (turn) {
                    cuda.kernels.copyBlock(block, home);
                    blockNumbers[home] = blockNumbers[block];
                } else if (i / 60 % 2 == 0) {
                    cuda.kernels.store(block, homes, (long) home * BLOCK_BYTES);
                    homeNumbers[home] = blockNumbers[block];
                } else {
                    cuda.kernels.load(homes, (long) home * BLOCK_BYTES, block);
                    blockNumbers[block] = homeNumbers[home];
                }
            }
            for (int home = 0; home < HOMES; home++) {
                assertEquals(homeNumbers[home], cuda.home(homes, home), "seed " + seed + ", home " + home);
            }
            for (int block = 0; block < OpenCuda.BLOCKS; block++) {
                assertEquals(blockNumbers[block], cuda.first(block), "seed " + seed + ", block " + block);
            }
        }
    }

    @Test
    void manyBlocksAreOneCallOfTheDriver() {
        try (OpenCuda cuda = open(CopyWay.BATCH)) {
            MemorySegment homes = cuda.device.allocate(Tier.HOST, (long) OpenCuda.BLOCKS * BLOCK_BYTES);
            for (int block = 0; block < OpenCuda.BLOCKS; block++) {
                cuda.kernels.store(block, homes, (long) block * BLOCK_BYTES);
            }
            cuda.device.synchronize();
            assertEquals(1, cuda.driver.count("batch_copies"));
            for (int block = 0; block < OpenCuda.BLOCKS; block++) {
                cuda.kernels.load(homes, (long) block * BLOCK_BYTES, block);
            }
            cuda.kernels.zero(0);
            assertEquals(2, cuda.driver.count("batch_copies"));
            cuda.kernels.load(homes, 0, 0);
            cuda.device.synchronize();
            assertEquals(2, cuda.driver.count("batch_copies"), "one block is a plain copy");
        }
    }

    @Test
    void smallBlocksAreLoadedByOneKernel() {
        try (OpenCuda cuda = open(CopyWay.BEST)) {
            MemorySegment homes = cuda.device.allocate(Tier.HOST, (long) OpenCuda.BLOCKS * BLOCK_BYTES);
            cuda.device.synchronize();
            long launches = cuda.driver.count("launches");
            for (int block = 0; block < OpenCuda.BLOCKS; block++) {
                cuda.kernels.load(homes, (long) block * BLOCK_BYTES, block);
            }
            cuda.device.synchronize();
            assertEquals(launches + 1, cuda.driver.count("launches"));
        }
    }

    @Test
    void moreBlocksThanOneCallTakesAllArrive() {
        for (CopyWay way : CopyWay.values()) {
            try (OpenCuda cuda = open(way)) {
                int all = BlockTransfers.CAPACITY + 3;
                MemorySegment slab = cuda.device.allocate(Tier.DEVICE, (long) all * BLOCK_BYTES);
                MemorySegment homes = cuda.device.allocate(Tier.HOST, (long) all * BLOCK_BYTES);
                for (int home = 0; home < all; home++) {
                    homes.set(ValueLayout.JAVA_FLOAT, (long) home * BLOCK_BYTES, home);
                }
                CudaKernels kernels = (CudaKernels) cuda.device.kernels(OpenCuda.GEOMETRY, slab);
                for (int block = 0; block < all; block++) {
                    kernels.load(homes, (long) block * BLOCK_BYTES, all - 1 - block);
                }
                float[] read = new float[all * OpenCuda.BLOCK_FLOATS];
                cuda.device.read(slab, 0, MemorySegment.ofArray(read), slab.byteSize());
                for (int block = 0; block < all; block++) {
                    assertEquals(all - 1 - block, read[block * OpenCuda.BLOCK_FLOATS], way + " block " + block);
                }
            }
        }
    }

    /** A driver that lacks the newest form, or both, as CUDA 12.8 and 12.7 do. */
    @ParameterizedTest
    @ValueSource(strings = {BatchCopy.NAME, BatchCopy.FIRST_NAME})
    void theCallIsTakenInTheFormThatTheDriverHas(String name) {
        try (OpenCuda cuda = open(CopyWay.SINGLE);
                Arena arena = Arena.ofConfined()) {
            SymbolLookup driver = SymbolLookup.libraryLookup(DriverProbe.DRIVER, Arena.global());
            SymbolLookup only = asked -> asked.equals(name) ? driver.find(asked) : Optional.empty();
            BatchCopy copy = BatchCopy.find(only, arena).orElseThrow();
            MemorySegment home = cuda.device.allocate(Tier.HOST, 8);
            home.set(ValueLayout.JAVA_FLOAT, 0, 3);
            home.set(ValueLayout.JAVA_FLOAT, 4, 4);
            long to = cuda.slab.address();
            int result = copy.run(
                    arena.allocateFrom(ValueLayout.JAVA_LONG, to + 4, to),
                    arena.allocateFrom(ValueLayout.JAVA_LONG, home.address(), home.address() + 4),
                    arena.allocateFrom(ValueLayout.JAVA_LONG, 4, 4),
                    2,
                    cuda.device.context().stream());
            assertEquals(0, result);
            assertEquals(4, cuda.first(0));
        }
    }

    @Test
    void withoutTheCallBlocksGoOneByOne() {
        EmulatedDriver.fresh();
        SymbolLookup driver = SymbolLookup.libraryLookup(DriverProbe.DRIVER, Arena.global());
        Set<String> hidden = Set.of(BatchCopy.NAME, BatchCopy.FIRST_NAME);
        SymbolLookup older = asked -> hidden.contains(asked) ? Optional.empty() : driver.find(asked);
        assertTrue(BatchCopy.find(older, Arena.global()).isEmpty());
        try (OpenCuda cuda = open(CopyWay.SINGLE)) {
            BlockTransfers transfers = new BlockTransfers(cuda.device, CopyWay.BATCH, Optional.empty());
            MemorySegment homes = cuda.device.allocate(Tier.HOST, 2L * BLOCK_BYTES);
            PinnedMemory pinned = cuda.device.memory().pinned(homes.address());
            cuda.fill(0, 1);
            cuda.fill(1, 2);
            for (int block = 0; block < 2; block++) {
                long address = homes.address() + (long) block * BLOCK_BYTES;
                transfers.store(
                        cuda.slab.address() + OpenCuda.GEOMETRY.blockOffset(block), pinned, address, BLOCK_BYTES);
            }
            transfers.flush();
            assertEquals(1, cuda.home(homes, 0));
            assertEquals(2, cuda.home(homes, 1));
            assertEquals(0, cuda.driver.count("batch_copies"));
        }
    }
}
