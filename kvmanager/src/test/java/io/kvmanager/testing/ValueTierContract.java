package io.kvmanager.testing;

import static io.kvmanager.spi.BlockTables.ABSENT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.FetchReport;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.ValueTier;
import io.kvmanager.spi.ValueTierProvider;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.IntConsumer;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What every value tier does. Subclasses say which tier, over a device whose memory this process can read. */
public abstract class ValueTierContract {
    private static final CacheGeometry SMALL = new CacheGeometry(1, 6, 2, 8, 4, ElementType.BF16);
    private static final ValueSelection TOP_3 = new ValueSelection.TopN(3);
    private static final int HOMES = 8;

    /** A device of its own for one test. */
    protected abstract Device openDevice();

    /** The provider under test. */
    protected abstract ValueTierProvider provider();

    private ValueTierRig rig(CacheGeometry geometry, ValueSelection selection, int slack, int homes, long seed) {
        return new ValueTierRig(openDevice(), provider(), geometry, selection, slack, homes, 40, true, seed);
    }

    private ValueTierRig rig() {
        return rig(SMALL, TOP_3, 2, HOMES, 1);
    }

    @ParameterizedTest
    @EnumSource(ElementType.class)
    void storedBlocksComeBackByteForByte(ElementType type) {
        try (ValueTierRig rig = rig(new CacheGeometry(1, 3, 3, 10, 8, type), TOP_3, 0, HOMES, 2)) {
            rig.storeAll(HOMES);
            rig.fill(rig.staging(), rig.randomBlock());
            rig.contents.forEach((home, bytes) -> {
                int blockId = rig.deviceBlocks.get(home);
                rig.tier.load(home, blockId);
                assertArrayEquals(bytes, rig.block(blockId), () -> "home " + home);
            });
        }
    }

    @Test
    void aReservationIsAllOrNothing() {
        try (ValueTierRig rig = rig()) {
            assertTrue(rig.tier.tryReserve(HOMES - 1));
            assertEquals(1, rig.tier.availableBlocks());
            assertFalse(rig.tier.tryReserve(2));
            assertEquals(1, rig.tier.availableBlocks());
            assertTrue(rig.tier.tryReserve(0));
            rig.tier.unreserve(HOMES - 1);
            assertEquals(HOMES, rig.tier.availableBlocks());
            assertThrows(IllegalStateException.class, () -> rig.tier.unreserve(1));
            assertThrows(IllegalArgumentException.class, () -> rig.tier.tryReserve(-1));
            assertThrows(IllegalArgumentException.class, () -> rig.tier.unreserve(-1));
            assertEquals(0, rig.tier.usedBlocks());
        }
    }

    @Test
    void storesDrawFromWhatIsReserved() {
        try (ValueTierRig rig = rig()) {
            assertThrows(IllegalStateException.class, () -> rig.tier.store(rig.staging()));
            rig.storeAll(HOMES);
            assertEquals(0, rig.tier.availableBlocks());
            assertFalse(rig.tier.tryReserve(1));
            assertThrows(IllegalStateException.class, () -> rig.tier.store(rig.staging()));
            rig.release(3);
            assertEquals(1, rig.tier.availableBlocks());
            assertEquals(HOMES, rig.tier.peakBlocks());
            assertEquals(3, rig.store());
            rig.audit();
        }
    }

    @Test
    void aSharedHomeLivesUntilItsLastReference() {
        try (ValueTierRig rig = rig()) {
            int home = rig.store();
            assertEquals(1, rig.tier.references(home));
            rig.tier.retain(home);
            assertEquals(2, rig.tier.references(home));
            rig.release(home);
            rig.tier.load(home, rig.deviceBlocks.getFirst());
            assertArrayEquals(rig.contents.get(home), rig.block(rig.deviceBlocks.getFirst()));
            rig.release(home);
            assertEquals(0, rig.tier.references(home));
            assertEquals(0, rig.tier.usedBlocks());
            assertEquals(1, rig.tier.peakBlocks());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 5, HOMES, ABSENT, Integer.MAX_VALUE, Integer.MIN_VALUE})
    void aFreeHomeIsRefusedByName(int home) {
        try (ValueTierRig rig = rig()) {
            rig.storeAll(2);
            rig.release(0);
            assertNames(home, rig.tier::release);
            assertNames(home, rig.tier::retain);
            assertNames(home, free -> rig.tier.load(free, rig.staging()));
            rig.valueTable.set(0, ABSENT);
            rig.homeTable.set(0, home);
            if (home != ABSENT) {
                assertNames(home, ignored -> rig.select(1));
            } else {
                assertThrows(IllegalStateException.class, () -> rig.select(1));
            }
            assertEquals(0, rig.tally.report(0).attentions());
            assertEquals(HOMES - 1, rig.tier.availableBlocks());
        }
    }

    private static void assertNames(int home, IntConsumer use) {
        IllegalStateException refusal = assertThrows(IllegalStateException.class, () -> use.accept(home));
        assertTrue(refusal.getMessage().contains("home " + home + " "), refusal.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,1", "2,8,7,5", "3,9,20,0", "4,16,33,9"})
    void aTierTakesWhatItSays(int kvHeads, int queryHeads, int tiles, int homes) {
        CacheGeometry geometry = new CacheGeometry(2, queryHeads, kvHeads, 8, 4, ElementType.F16);
        PlacementPolicy.Offloaded placement =
                new PlacementPolicy.Offloaded(new ValueSelection.TopN(1), Compensation.MEAN, 1, 64, 0, tiles);
        int cacheBlocks = Math.ceilDiv(tiles, kvHeads);
        int[] ids = new int[cacheBlocks];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = i;
        }
        try (Device device = openDevice()) {
            MemorySegment slab = device.allocate(Tier.DEVICE, (long) cacheBlocks * geometry.blockBytes());
            ValueTier tier = provider().open(device, geometry, device.kernels(geometry, slab), placement, ids, homes);
            assertEquals(
                    provider().deviceTableBytes(geometry, placement, homes),
                    device.allocatedBytes(Tier.DEVICE) - slab.byteSize());
            assertEquals((long) homes * geometry.blockBytes(), device.allocatedBytes(Tier.HOST));
            assertEquals(homes, tier.availableBlocks());
            assertEquals(List.of(), tier.audit());
            tier.close();
        }
    }

    @Test
    void aClosedTierRefuses() {
        try (Device device = openDevice()) {
            ValueTierRig rig = new ValueTierRig(device, provider(), SMALL, TOP_3, 0, HOMES, 40, true, 3);
            int home = rig.store();
            rig.tier.close();
            assertThrows(IllegalStateException.class, () -> rig.tier.tryReserve(1));
            assertThrows(IllegalStateException.class, () -> rig.tier.load(home, rig.staging()));
            assertThrows(IllegalStateException.class, () -> rig.tier.release(home));
            assertThrows(IllegalStateException.class, () -> rig.select(0));
        }
    }

    @Test
    void aFailedStoreChangesNothing() {
        try (ValueTierRig rig = rig()) {
            assertTrue(rig.tier.tryReserve(2));
            rig.copies.failAfter(0);
            assertThrows(CopyLog.CopyFailure.class, () -> rig.tier.store(rig.staging()));
            assertEquals(0, rig.tier.usedBlocks());
            rig.audit();
            rig.tier.unreserve(2);
            assertEquals(HOMES, rig.tier.availableBlocks());
        }
    }

    @Test
    void aFailedFetchLeavesNothingStale() {
        try (ValueTierRig rig = rig(SMALL, TOP_3, 0, HOMES, 4)) {
            rig.storeAll(HOMES);
            for (int round = 0; round < 200; round++) {
                rig.randomTables(HOMES, .1);
                rig.randomMasses(HOMES);
                rig.copies.failAfter(rig.random.nextInt(4));
                try {
                    rig.selectAndCheck(HOMES);
                } catch (CopyLog.CopyFailure e) {
                    rig.audit();
                }
                rig.copies.failAfter(Integer.MAX_VALUE);
            }
        }
    }

    static LongStream seeds() {
        return LongStream.range(0, 120);
    }

    private static CacheGeometry randomGeometry(Random random) {
        int kvHeads = 1 + random.nextInt(4);
        int[] groups = {1, 3, 4};
        int queryHeads = kvHeads * groups[random.nextInt(groups.length)];
        return new CacheGeometry(1, queryHeads, kvHeads, 4, 1 << random.nextInt(5), ElementType.BF16);
    }

    private static ValueSelection randomSelection(Random random) {
        int[] limits = {1, 2, 3, 8, 50};
        double[] masses = {.25, .5, .75, .9, 1, .01 + .99 * random.nextDouble()};
        int limit = limits[random.nextInt(limits.length)];
        return random.nextBoolean()
                ? new ValueSelection.TopN(limit)
                : new ValueSelection.Nucleus(masses[random.nextInt(masses.length)], limit);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void selectionIsTheOracles(long seed) {
        Random random = new Random(seed);
        int homes = 1 + random.nextInt(40);
        try (ValueTierRig rig = rig(randomGeometry(random), randomSelection(random), random.nextInt(9), homes, seed)) {
            rig.storeAll(homes);
            double[] residentShares = {0, .1, .5, 1};
            for (int round = 0; round < 40; round++) {
                int blocks = round == 0 ? 1 : 1 + random.nextInt(rig.maxBlocks);
                rig.randomTables(blocks, residentShares[round % residentShares.length]);
                rig.randomMasses(blocks);
                rig.selectAndCheck(blocks);
                rig.audit();
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {11, 12, 13})
    void noTileOutlivesItsHome(long seed) {
        Random random = new Random(seed);
        int homes = 24;
        try (ValueTierRig rig = rig(randomGeometry(random), new ValueSelection.TopN(4), 3, homes, seed)) {
            for (int round = 0; round < 3000; round++) {
                List<Integer> used = new ArrayList<>(rig.contents.keySet());
                if (rig.tier.availableBlocks() > 0 && random.nextInt(3) > 0) {
                    rig.store();
                } else if (!used.isEmpty()) {
                    int home = used.get(random.nextInt(used.size()));
                    if (random.nextInt(4) == 0) {
                        rig.tier.retain(home);
                    } else {
                        rig.release(home);
                    }
                }
                int blocks = 1 + random.nextInt(rig.maxBlocks);
                rig.randomTables(blocks, .2);
                rig.randomMasses(blocks);
                rig.selectAndCheck(blocks);
                if (round % 100 == 0) {
                    rig.audit();
                }
            }
        }
    }

    @Test
    void theSameSetAgainIsAllHits() {
        try (ValueTierRig rig = rig(SMALL, TOP_3, 0, HOMES, 5)) {
            rig.storeAll(HOMES);
            for (int round = 0; round < 50; round++) {
                rig.randomTables(HOMES, .2);
                rig.randomMasses(HOMES);
                rig.select(HOMES);
                FetchReport first = rig.tally.report(0);
                rig.selectAndCheck(HOMES);
                assertEquals(first.tilesMissed(), rig.tally.report(0).tilesMissed());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"topN(8)", "nucleus(0.5,24)"})
    void aSelectionAllocatesNothing(String selection) {
        CacheGeometry geometry = new CacheGeometry(1, 8, 4, 16, 16, ElementType.BF16);
        int blocks = 256;
        try (ValueTierRig rig = new ValueTierRig(
                openDevice(), provider(), geometry, ValueSelection.parse(selection), 9, blocks, blocks, false, 6)) {
            rig.storeAll(blocks);
            rig.randomTables(blocks, 0);
            for (int block = 0; block < blocks; block += 16) {
                rig.valueTable.set(block, rig.deviceBlocks.get(block));
            }
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long least = Long.MAX_VALUE;
            // Compiled code allocates nothing; the first rounds run while there is none yet.
            for (int round = 0; round < 60 && least > 0; round++) {
                rig.randomMasses(blocks);
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 200; i++) {
                    rotate(rig.homeTable, blocks);
                    rig.select(blocks);
                }
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(0, least, "bytes of 200 selections");
            assertTrue(rig.tally.report(0).tilesMissed() > 1000, "the selections must have fetched");
        }
    }

    /** Moves every home to another logical block, so that the same masses choose other tiles. */
    private static void rotate(IntTable homes, int count) {
        int first = homes.get(0);
        for (int i = 1; i < count; i++) {
            homes.set(i - 1, homes.get(i));
        }
        homes.set(count - 1, first);
    }
}
