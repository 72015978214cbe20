package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.spi.PrefixCache;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every eviction order against its slow version, hit by hit. */
class EvictionOrderTest {

    @ParameterizedTest(name = "seed {0}, {1}, {2} blocks")
    @CsvSource({
        "1,lru,5",
        "2,lru,40",
        "3,lru,1",
        "1,slru,6",
        "2,slru,40",
        "3,slru,2",
        "4,slru,17",
        "1,priority,6",
        "2,priority,40",
        "3,priority,3",
        "1,w-tinylfu,6",
        "2,w-tinylfu,40",
        "3,w-tinylfu,2",
        "4,w-tinylfu,150",
        "1,hit-density,6",
        "2,hit-density,40",
        "3,hit-density,3",
        "4,hit-density,120",
        "5,hit-density,20"
    })
    void hitsAsItsSlowVersion(long seed, String policy, int capacity) {
        SplittableRandom random = new SplittableRandom(seed);
        PrefixCache fast = cache(policy, capacity);
        SlowPrefixCache slow = SlowOrders.make(policy, capacity);
        List<int[]> earlier = new ArrayList<>();
        long now = 0;
        long hits = 0;
        for (int step = 0; step < 1500; step++) {
            now += random.nextInt(1500);
            int[] ids = request(random, earlier);
            int priority = random.nextInt(6);
            String context = "seed " + seed + ", request " + step;
            int expected = slow.serve(ids, priority, now);
            assertEquals(expected, fast.serve(Chains.of(ids), 0, ids.length, priority, now), context);
            assertEquals(slow.blocks().size(), fast.cachedBlocks(), context);
            hits += expected;
        }
        assertEquals(List.of(), fast.audit());
        assertTrue(hits > 0 || capacity == 1, "the trace makes no hits, so it tests nothing");
        assertTrue(fast.evictedBlocks() > 0, "nothing was evicted, so it tests nothing");
    }

    /** New conversations, continued ones, and some that branch off. */
    private static int[] request(SplittableRandom random, List<int[]> earlier) {
        int[] before = {random.nextInt(3)};
        if (!earlier.isEmpty() && random.nextInt(3) > 0) {
            int[] found = earlier.get(Math.max(0, earlier.size() - 1 - random.nextInt(12)));
            int kept = random.nextInt(4) == 0 ? 1 + random.nextInt(found.length) : found.length;
            before = Arrays.copyOf(found, Math.min(kept, 8));
        }
        int[] ids = Arrays.copyOf(before, before.length + random.nextInt(4));
        for (int i = before.length; i < ids.length; i++) {
            ids[i] = random.nextInt(50);
        }
        earlier.add(ids);
        return ids;
    }

    private static PrefixCache cache(String policy, int capacity) {
        int longest = 16;
        EvictionOrder order = Orders.make(policy, MetadataPrefixCache.entries(capacity, longest), capacity);
        return new MetadataPrefixCache(order, capacity, longest);
    }

    /** Twice as many documents in turn as fit: recency never hits, and what is learned keeps a part of them. */
    @Test
    void hitDensityLearnsALoop() {
        assertEquals(0, loopHits("lru"));
        int perfect = 3000 / 2 * 5;
        assertTrue(loopHits("hit-density") > perfect * .8, "hits " + loopHits("hit-density") + " of " + perfect);
    }

    private static long loopHits(String policy) {
        PrefixCache cache = cache(policy, 200);
        long hits = 0;
        for (int i = 0; i < 3000; i++) {
            int document = i % 80;
            long[] chain = Chains.of(document, 1, 2, 3, 4);
            hits += cache.serve(chain, 0, 5, 0, i * 1000L);
        }
        return hits;
    }

    @ParameterizedTest
    @ValueSource(strings = {"lru", "slru", "priority", "w-tinylfu", "hit-density"})
    void isReplayedTheSameEveryTime(String policy) {
        assertEquals(loopHits(policy), loopHits(policy));
    }

    @Test
    void aRequestLongerThanTheCacheLeavesItsBeginning() {
        PrefixCache cache = cache("lru", 3);
        long[] chain = Chains.of(1, 2, 3, 4, 5);
        assertEquals(0, cache.serve(chain, 0, 5, 0, 0));
        assertEquals(3, cache.cachedBlocks());
        assertEquals(2, cache.evictedBlocks());
        assertEquals(3, cache.serve(chain, 0, 5, 0, 1));
        assertEquals(0, cache.serve(chain, 3, 2, 0, 2), "the end alone is another chain");
        assertThrows(IllegalArgumentException.class, () -> cache.serve(new long[80], 0, 17, 0, 3));
    }

    @ParameterizedTest(name = "{0} ms past its time: {1} hits")
    @CsvSource({"-100,1", "0,1", "1,0"})
    void aPriorityLastsForItsTimeToLive(long past, int hits) {
        PrefixCache cache = cache("priority", 2);
        long now = Orders.TIME_TO_LIVE_MILLIS + past;
        cache.serve(Chains.of(1), 0, 1, 1, 0);
        cache.serve(Chains.of(2), 0, 1, 0, 10);
        cache.serve(Chains.of(3), 0, 1, 0, now);
        assertEquals(hits, cache.serve(Chains.of(1), 0, 1, 1, now), "block 1 is the oldest, and had a priority");
    }

    @Test
    void thePolicyAndTheSizeAreChecked() {
        MetadataPrefixCacheProvider provider = new MetadataPrefixCacheProvider();
        assertThrows(IllegalArgumentException.class, () -> provider.open("fifo", 1, 1));
        assertThrows(IllegalArgumentException.class, () -> provider.open("lru", 0, 1));
        assertThrows(IllegalArgumentException.class, () -> provider.open("lru", 1, 0));
        for (String policy : provider.policies()) {
            assertEquals(0, provider.open(policy, 1, 1).cachedBlocks());
        }
    }
}
