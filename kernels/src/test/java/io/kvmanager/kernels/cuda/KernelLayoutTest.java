package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.spi.FetchTally;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** {@code layout.cuh} and {@code residency.cuh} say what {@link CacheGeometry} and {@link KernelLayout} say. */
@Tag(EmulatedDriver.TAG)
class KernelLayoutTest {
    private static final long SEED = 20;

    @Test
    void kernelsFindRowsWhereTheGeometryPutsThem() {
        EmulatedDriver.fresh();
        SplittableRandom random = new SplittableRandom(SEED);
        List<ElementType> types = List.of(ElementType.values());
        try (CudaDevice device = CudaDevice.open(new CudaArgument(0, false))) {
            MemorySegment slab = device.allocate(Tier.DEVICE, 0);
            for (int round = 0; round < 100; round++) {
                int kvHeads = 1 + random.nextInt(40);
                CacheGeometry geometry = new CacheGeometry(
                        1,
                        kvHeads * (1 + random.nextInt(9)),
                        kvHeads,
                        1 + random.nextInt(300),
                        1 << random.nextInt(11),
                        types.get(random.nextInt(types.size())));
                int blockId = random.nextInt(1 << 20);
                int kvHead = random.nextInt(kvHeads);
                int slot = random.nextInt(geometry.blockTokens());
                long[] expected = {
                    KernelLayout.SHAPE,
                    Kernel.COUNT,
                    Kernel.TILES,
                    TableWrites.BYTES,
                    BlockTransfers.PIECES,
                    geometry.tileIndex(blockId, kvHead),
                    geometry.rowOffset(blockId, kvHead, slot),
                    geometry.blockBytes(),
                    geometry.groupSize(),
                    geometry.blockTokens(),
                    KernelLayout.SCORE_RANGE,
                    KernelLayout.NORMALISE_RANGE,
                    KernelLayout.VALUE_ROWS,
                    KernelLayout.VALUE_COLUMNS,
                    KernelLayout.PROMPT_ROWS,
                    KernelLayout.PROMPT_COLUMNS,
                    KernelLayout.SCORED_COLUMNS,
                    KernelLayout.MAX_INT_WRITES,
                    KernelLayout.MAX_PIECES,
                    KernelLayout.MAX_HOMES
                };
                Kernel kernel =
                        new Kernel(device, "rows", "layout", KernelLayout.SHAPE, Kernel.INT, Kernel.INT, Kernel.INT, 8);
                kernel.setStructure(0, KernelLayout.shape(device.arena(), geometry, slab))
                        .set(1, blockId)
                        .set(2, kvHead)
                        .set(3, slot);
                assertArrayEquals(expected, facts(device, kernel, 4, expected.length), "seed " + SEED + " " + geometry);
            }
        }
    }

    @Test
    void structuresOfAChoiceAreAsLargeAsTheHostFillsThem() {
        EmulatedDriver.fresh();
        CacheGeometry geometry = OpenCuda.GEOMETRY;
        long[] expected = {
            CudaTileResidency.RESIDENCY,
            CudaTileResidency.CHOICE,
            CudaTileResidency.MASSES,
            CudaTileResidency.RULE,
            FetchTally.counterBytes(geometry) - 32L * geometry.queryHeads() - 16L * geometry.kvHeads(),
            CudaTileResidency.HOMES,
            CudaTileResidency.NEED,
            CudaTileResidency.CERTIFIED,
            CudaTileResidency.GOAL,
            KernelLayout.CHOOSERS,
            1L << KernelLayout.MASS_UNIT_BITS
        };
        try (CudaDevice device = CudaDevice.open(new CudaArgument(0, false))) {
            Kernel kernel = new Kernel(device, "residency", "selection_layout", Kernel.POINTER);
            assertArrayEquals(expected, facts(device, kernel, 0, expected.length));
        }
    }

    private static long[] facts(CudaDevice device, Kernel kernel, int outParameter, int count) {
        MemorySegment out = device.allocate(Tier.DEVICE, 8L * count);
        kernel.set(outParameter, out).launch(1, 1, 1, 1);
        long[] facts = new long[count];
        Arrays.fill(facts, -1);
        device.read(out, 0, MemorySegment.ofArray(facts), 8L * count);
        return facts;
    }
}
