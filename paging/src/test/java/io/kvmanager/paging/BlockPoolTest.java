package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Ledger.Account;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BlockPoolTest {

    @Test
    void reservationsAreAllOrNothing() {
        BlockPool pool = new BlockPool(4);
        assertTrue(pool.tryReserve(3));
        assertFalse(pool.tryReserve(2));
        assertEquals(1, pool.availableBlocks());
        assertEquals(3, pool.reservedBlocks());
        int id = pool.allocate(Account.OPEN);
        assertEquals(1, pool.availableBlocks(), "an allocation comes out of the reservation");
        pool.unreserve(2);
        assertEquals(3, pool.availableBlocks());
        assertThrows(IllegalStateException.class, () -> pool.allocate(Account.OPEN), "nothing is reserved");
        assertThrows(IllegalStateException.class, () -> pool.unreserve(1));
        assertTrue(pool.release(id));
        assertEquals(4, pool.availableBlocks());
        assertEquals(1, pool.peakUsedBlocks());
    }

    @Test
    void theLastReferenceFrees() {
        BlockPool pool = new BlockPool(2);
        pool.tryReserve(1);
        int id = pool.allocate(Account.OPEN);
        int generation = pool.generation(id);
        pool.retain(id);
        assertEquals(2, pool.references(id));
        assertFalse(pool.release(id));
        assertEquals(generation, pool.generation(id));
        assertTrue(pool.release(id));
        assertEquals(generation + 1, pool.generation(id));
        assertThrows(IllegalStateException.class, () -> pool.release(id), "a second free throws, it never clamps");
        assertThrows(IllegalStateException.class, () -> pool.retain(id));
        assertThrows(IllegalStateException.class, () -> pool.transfer(id, Account.SEALED));
        assertThrows(IllegalStateException.class, () -> pool.retain(-1));
        assertThrows(IllegalStateException.class, () -> pool.retain(pool.capacity()));
    }

    @Test
    void auditNamesWhatDiffers() {
        BlockPool pool = new BlockPool(3);
        pool.tryReserve(1);
        int id = pool.allocate(Account.OPEN);
        int[] counted = new int[3];
        assertEquals(1, pool.audit(counted).size());
        counted[id] = 1;
        assertEquals(List.of(), pool.audit(counted));
        assertThrows(IllegalArgumentException.class, () -> pool.transfer(id, Account.FREE));
        assertEquals(1, pool.blocksIn(Account.OPEN));
        pool.transfer(id, Account.SEALED);
        assertEquals(0, pool.blocksIn(Account.OPEN));
        assertEquals(1, pool.blocksIn(Account.SEALED));
        assertEquals(2, pool.blocksIn(Account.FREE));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void randomUseKeepsEveryBlockInOneAccount(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        BlockPool pool = new BlockPool(50);
        List<Integer> held = new ArrayList<>();
        int reserved = 0;
        for (int step = 0; step < 20_000; step++) {
            switch (random.nextInt(6)) {
                case 0 -> {
                    int wanted = random.nextInt(8);
                    boolean possible = wanted <= 50 - pool.usedBlocks() - reserved;
                    assertEquals(possible, pool.tryReserve(wanted), "seed " + seed);
                    reserved += possible ? wanted : 0;
                }
                case 1, 2 -> {
                    if (reserved > 0) {
                        Account[] kinds = {Account.OPEN, Account.SEALED, Account.SUMMARY};
                        held.add(pool.allocate(kinds[random.nextInt(3)]));
                        reserved--;
                    }
                }
                case 3 -> {
                    if (!held.isEmpty()) {
                        int id = held.get(random.nextInt(held.size()));
                        pool.retain(id);
                        held.add(id);
                    }
                }
                case 4 -> {
                    if (!held.isEmpty()) {
                        int last = held.removeLast();
                        int at = random.nextInt(held.size() + 1);
                        pool.release(at == held.size() ? last : held.set(at, last));
                    }
                }
                default -> {
                    int back = random.nextInt(reserved + 1);
                    pool.unreserve(back);
                    reserved -= back;
                }
            }
            if (step % 97 == 0) {
                int[] counted = new int[50];
                held.forEach(id -> counted[id]++);
                assertEquals(List.of(), pool.audit(counted), "seed " + seed + " step " + step);
            }
        }
        assertEquals(held.stream().distinct().count(), pool.usedBlocks(), "seed " + seed);
    }
}
