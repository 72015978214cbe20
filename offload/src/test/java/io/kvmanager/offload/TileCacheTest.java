package io.kvmanager.offload;

import static io.kvmanager.spi.BlockTables.ABSENT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.TileResidency;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TileCacheTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(1, 2, 2, 4, 4, ElementType.BF16);
    private static final int HOMES = 8;
    private static final int SLOTS = 4;

    /** Hands out the host device's memory and keeps what it handed out, so that a test can damage it. */
    private static final class OpenDevice implements Device {
        private final Device host = ProviderSelection.device("host:plain");
        private final List<MemorySegment> taken = new ArrayList<>();

        @Override
        public String description() {
            return host.description();
        }

        @Override
        public MemorySegment allocate(Tier tier, long bytes) {
            taken.add(host.allocate(tier, bytes));
            return taken.getLast();
        }

        @Override
        public long allocatedBytes(Tier tier) {
            return host.allocatedBytes(tier);
        }

        @Override
        public AttentionKernels kernels(CacheGeometry geometry, MemorySegment slab) {
            return host.kernels(geometry, slab);
        }

        @Override
        public void close() {
            host.close();
        }
    }

    private final OpenDevice device = new OpenDevice();
    private final HostStore store = new HostStore(device, GEOMETRY, HOMES);
    private final TileCache cache = open();

    private TileCache open() {
        MemorySegment slab = device.allocate(Tier.DEVICE, 2L * GEOMETRY.blockBytes());
        store.tryReserve(HOMES);
        for (int i = 0; i < HOMES; i++) {
            store.take();
        }
        return new TileCache(
                device,
                device.kernels(GEOMETRY, slab),
                new TileResidency.Request(
                        GEOMETRY, new ValueSelection.TopN(1), Compensation.NONE, store.memory(), HOMES, List.of(1, 0)));
    }

    @AfterEach
    void close() {
        device.close();
    }

    private void fillWithHomes0To3() {
        cache.beginStep();
        for (int home = 0; home < SLOTS; home++) {
            cache.fetch(home, 0);
        }
    }

    private List<String> audit() {
        return cache.audit(store.referenceCounts());
    }

    private boolean holds(int home) {
        return cache.slot(home, 0) != ABSENT;
    }

    @Test
    void aTileThatWasHitGetsASecondChance() {
        fillWithHomes0To3();
        cache.beginStep();
        cache.touch(0, 0);
        cache.touch(1, 0);
        cache.beginStep();
        cache.fetch(4, 0);
        cache.fetch(5, 0);
        assertEquals(List.of(true, true, false, false), List.of(holds(0), holds(1), holds(2), holds(3)));
        cache.beginStep();
        cache.fetch(6, 0);
        cache.fetch(7, 0);
        assertEquals(List.of(), audit());
        assertFalse(holds(0) && holds(1), "one chance, not two");
    }

    @Test
    void aStepKeepsWhatItUses() {
        fillWithHomes0To3();
        assertEquals(ABSENT, cache.fetch(4, 0));
        cache.beginStep();
        cache.touch(2, 0);
        for (int home = 4; home < 7; home++) {
            cache.fetch(home, 0);
        }
        assertEquals(List.of(true, true, true, true), List.of(holds(2), holds(4), holds(5), holds(6)));
        assertEquals(ABSENT, cache.fetch(7, 0));
        assertEquals(List.of(), audit());
    }

    @Test
    void aFreeSlotIsUsedBeforeATileIsDropped() {
        fillWithHomes0To3();
        store.release(1);
        cache.invalidate(1);
        cache.beginStep();
        cache.fetch(4, 1);
        assertEquals(List.of(true, false, true, true), List.of(holds(0), holds(1), holds(2), holds(3)));
        assertEquals(List.of(), audit());
    }

    @Test
    void theAuditNamesWhatDiffers() {
        fillWithHomes0To3();
        MemorySegment slotOfTile = device.taken.getLast();
        MemorySegment tileOfSlot = slotOfTile.asSlice(4L * HOMES * GEOMETRY.kvHeads());
        assertDamageIsFound(slotOfTile, 0, 3, "tile 0");
        assertDamageIsFound(slotOfTile, 15, 0, "tile 15");
        assertDamageIsFound(slotOfTile, 15, 99, "slot 99");
        assertDamageIsFound(tileOfSlot, 2, ABSENT, "free ones are not 4");
        assertDamageIsFound(tileOfSlot, 2, 16, "tile 16");
        store.release(3);
        assertEquals(1, audit().size());
        assertNotEquals(-1, audit().getFirst().indexOf("home 3"), audit().getFirst());
    }

    private void assertDamageIsFound(MemorySegment table, int index, int value, String named) {
        int sound = table.getAtIndex(ValueLayout.JAVA_INT, index);
        table.setAtIndex(ValueLayout.JAVA_INT, index, value);
        List<String> found = audit();
        table.setAtIndex(ValueLayout.JAVA_INT, index, sound);
        assertNotEquals(-1, String.join("; ", found).indexOf(named), () -> found + " must name " + named);
        assertEquals(List.of(), audit());
    }
}
