package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.ElementType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PrefixIndexTest {
    private static final int NONE = EvictionOrder.NONE;

    private long clockMillis;

    private PrefixIndex index(int entries) {
        return new PrefixIndex(entries, new RecencyOrder(entries), () -> clockMillis);
    }

    /** Takes a lease on a whole chain, registering what is missing under block ids from {@code firstId} on. */
    private static PrefixLease lease(PrefixIndex index, long[] chain, int firstId) {
        int blocks = chain.length / BlockIdentity.DIGEST_LONGS;
        PrefixLease lease = index.lookup(chain, 0, blocks, 0);
        for (int i = lease.blocks(); i < blocks; i++) {
            lease.register(chain, i * BlockIdentity.DIGEST_LONGS, firstId + i);
        }
        return lease;
    }

    @Test
    void findsTheLongestPrefix() {
        PrefixIndex index = index(8);
        lease(index, Chains.of(1, 2, 3), 100).close();
        try (PrefixLease found = index.lookup(Chains.of(1, 2, 9), 0, 3, 0)) {
            assertEquals(2, found.blocks());
            assertEquals(2, found.hits());
            int[] ids = new int[2];
            found.copyBlocks(ids);
            assertArrayEquals(new int[] {100, 101}, ids);
        }
        try (PrefixLease nothing = index.lookup(Chains.of(2, 3), 0, 2, 0)) {
            assertEquals(0, nothing.blocks(), "the same tokens behind another prefix are other blocks");
        }
        try (PrefixLease capped = index.lookup(Chains.of(1, 2, 3), 0, 2, 0)) {
            assertEquals(2, capped.blocks(), "no more than was asked for");
        }
    }

    @ParameterizedTest(name = "{0} tokens in blocks of {1}: {2}")
    @CsvSource({"1,4,0", "4,4,0", "5,4,1", "8,4,1", "9,4,2", "16,1,15"})
    void atLeastOneTokenIsComputed(int promptTokens, int blockTokens, int blocks) {
        assertEquals(blocks, PrefixIndex.sharableBlocks(promptTokens, blockTokens));
    }

    @Test
    void aClosedLeaseThrows() {
        PrefixIndex index = index(4);
        PrefixLease lease = lease(index, Chains.of(1), 7);
        lease.close();
        assertThrows(IllegalStateException.class, lease::close);
        assertThrows(IllegalStateException.class, lease::blocks);
        assertThrows(IllegalStateException.class, () -> lease.copyBlocks(new int[1]));
        assertThrows(IllegalStateException.class, () -> lease.register(Chains.of(1, 2), 4, 8));
        assertEquals(0, index.pinnedEntries(), "closing twice took no pin of somebody else");
    }

    @Test
    void whatIsHeldIsNotEvicted() {
        PrefixIndex index = index(4);
        PrefixLease held = lease(index, Chains.of(1, 2), 10);
        lease(index, Chains.of(1, 3), 20).close();
        assertEquals(2, index.pinnedEntries());
        assertEquals(21, index.evict(), "block 1 is older, but held");
        assertEquals(NONE, index.evict());
        held.close();
        assertEquals(11, index.evict(), "the descendant first");
        assertEquals(10, index.evict());
        assertEquals(NONE, index.evict());
        assertEquals(0, index.entries());
    }

    @Test
    void aSecondRequestUsesTheFirstOnesBlock() {
        PrefixIndex index = index(4);
        long[] chain = Chains.of(1, 2, 3);
        PrefixLease first = index.lookup(chain, 0, 3, 0);
        PrefixLease second = index.lookup(chain, 0, 3, 0);
        for (int block = 0; block < 3; block++) {
            int offset = block * BlockIdentity.DIGEST_LONGS;
            assertEquals(5 + block, first.register(chain, offset, 5 + block));
            assertEquals(5 + block, second.register(chain, offset, 8 + block), "both computed it; one copy stays");
        }
        first.close();
        assertEquals(NONE, index.evict());
        second.close();
        assertEquals(7, index.evict());
    }

    @Test
    void aDigestHasOneParent() {
        PrefixIndex index = index(4);
        long[] chain = Chains.of(1, 2);
        lease(index, chain, 0).close();
        try (PrefixLease other = index.lookup(Chains.of(3), 0, 1, 0)) {
            assertThrows(IllegalArgumentException.class, () -> other.register(chain, 4, 9));
        }
    }

    @Test
    void aFullIndexSaysSo() {
        PrefixIndex index = index(1);
        assertFalse(index.isFull());
        try (PrefixLease lease = lease(index, Chains.of(1), 0)) {
            assertTrue(index.isFull());
            long[] next = Chains.of(1, 2);
            assertThrows(IllegalStateException.class, () -> lease.register(next, 4, 1));
        }
        assertEquals(List.of(), index.audit());
    }

    @Test
    void aLookupAloneChangesNothingForOthers() {
        PrefixIndex index = index(4);
        lease(index, Chains.of(1), 1).close();
        lease(index, Chains.of(2), 2).close();
        try (PrefixLease absent = index.lookup(Chains.of(3), 0, 1, 0)) {
            assertEquals(0, absent.blocks());
        }
        assertEquals(2, index.entries());
        assertEquals(1, index.evict(), "the oldest still goes first");
    }

    @Test
    void tenantsShareNothing() {
        int[] tokens = {1, 2, 3, 4, 5, 6, 7, 8};
        PrefixIndex index = index(8);
        long[] mine = digests("a", tokens);
        lease(index, mine, 0).close();
        try (PrefixLease same = index.lookup(digests("a", tokens), 0, 4, 0);
                PrefixLease other = index.lookup(digests("b", tokens), 0, 4, 0)) {
            assertEquals(4, same.blocks());
            assertEquals(0, other.blocks());
        }
    }

    private static long[] digests(String salt, int[] tokens) {
        BlockIdentity identity =
                new BlockIdentity(new BlockIdentity.Scope("m", ElementType.BF16, 2, 0, "none", Map.of(), "", salt));
        long[] digests = new long[tokens.length / 2 * BlockIdentity.DIGEST_LONGS];
        identity.digest(tokens, tokens.length, digests);
        return digests;
    }

    /** Open leases, registrations, closes and evictions at random, every order, against maps. */
    @ParameterizedTest(name = "seed {0}, {1}")
    @CsvSource({"1,lru", "2,slru", "3,priority", "4,w-tinylfu", "5,hit-density", "6,hit-density", "7,lru"})
    void agreesWithAModel(long seed, String policy) {
        int entries = 24;
        EvictionOrder order = Orders.make(policy, entries, 16);
        PrefixIndex index = new PrefixIndex(entries, order, () -> clockMillis);
        Model model = new Model();
        SplittableRandom random = new SplittableRandom(seed);
        for (int step = 0; step < 4000; step++) {
            clockMillis += random.nextInt(2000);
            String context = "seed " + seed + " step " + step;
            switch (random.nextInt(3)) {
                case 0 -> {
                    if (model.leases.size() < 4) {
                        model.open(index, randomChain(random), entries, context);
                    }
                }
                case 1 -> {
                    if (!model.leases.isEmpty()) {
                        model.close(random.nextInt(model.leases.size()));
                    }
                }
                default -> model.evicted(index.evict(), context);
            }
            assertEquals(model.pins.size(), index.entries(), context);
            assertEquals(List.of(), index.audit(), context);
        }
    }

    private static int[] randomChain(SplittableRandom random) {
        int[] ids = new int[1 + random.nextInt(5)];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = random.nextInt(2);
        }
        return ids;
    }

    /** Blocks by their chains, written as strings; a chain's ancestors are the strings it starts with. */
    private static final class Model {
        private final Map<String, Integer> pins = new HashMap<>();
        private final Map<Integer, String> byBlock = new HashMap<>();
        private final List<PrefixLease> leases = new ArrayList<>();
        private final List<String> leased = new ArrayList<>();
        private int nextBlock;

        void open(PrefixIndex index, int[] ids, int entries, String context) {
            long[] digests = Chains.of(ids);
            PrefixLease lease = index.lookup(digests, 0, ids.length, ids.length);
            StringBuilder chain = new StringBuilder();
            int expected = 0;
            while (expected < ids.length && pins.containsKey(chain.toString() + ids[expected])) {
                chain.append(ids[expected++]);
                pins.merge(chain.toString(), 1, Integer::sum);
            }
            assertEquals(expected, lease.blocks(), context);
            for (int i = expected; i < ids.length && pins.size() < entries; i++) {
                chain.append(ids[i]);
                assertEquals(nextBlock, lease.register(digests, i * BlockIdentity.DIGEST_LONGS, nextBlock), context);
                pins.put(chain.toString(), 1);
                byBlock.put(nextBlock++, chain.toString());
            }
            int[] blocks = new int[lease.blocks()];
            lease.copyBlocks(blocks);
            for (int i = 0; i < blocks.length; i++) {
                assertEquals(chain.substring(0, i + 1), byBlock.get(blocks[i]), context);
            }
            leases.add(lease);
            leased.add(chain.toString());
        }

        void close(int which) {
            leases.remove(which).close();
            String chain = leased.remove(which);
            for (int i = 1; i <= chain.length(); i++) {
                pins.merge(chain.substring(0, i), -1, Integer::sum);
            }
        }

        void evicted(int block, String context) {
            if (block == NONE) {
                assertFalse(pins.containsValue(0), context + ": something could be evicted");
                return;
            }
            String chain = byBlock.remove(block);
            assertEquals(0, pins.remove(chain), context + ": " + chain + " is held or unknown");
            assertTrue(
                    pins.keySet().stream().noneMatch(other -> other.startsWith(chain)),
                    context + ": " + chain + " goes before a descendant");
        }
    }
}
