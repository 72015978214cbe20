package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.DeviceOutOfMemory;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Memory runs out at every point of a cache's life where it is taken: at each allocation while it opens, and, by giving
 * it one block more or less, at each block and home behind that. The error is typed, nothing is held for what did not
 * happen, and the next request is served.
 */
class AllocationFailureTest {
    private static final long SEED = 4;
    static final CacheGeometry GEOMETRY = new CacheGeometry(2, 2, 1, 8, 4, ElementType.F32);
    static final int LONGEST = 24;
    private static final int MANY = 1000;

    static KvCacheConfig.Builder builder(CacheName name) {
        return KvCacheConfig.builder(name, GEOMETRY)
                .device("host:plain")
                .maxSequences(3)
                .maxSequenceTokens(LONGEST)
                .selection(new ValueSelection.TopN(64))
                .recentTokens(8)
                .deviceBytes(1 << 20)
                .hostBytes(1 << 20);
    }

    @ParameterizedTest
    @EnumSource(CacheName.class)
    void openingGivesBackWhatItTook(CacheName name) {
        int nth = 1;
        for (; nth < MANY; nth++) {
            try (KvCache cache = KvCache.open(builder(name)
                    .device("faulty:allocation=" + nth + ",host:plain")
                    .build())) {
                assertServes(cache);
                break;
            } catch (DeviceOutOfMemory e) {
                assertTrue(e.getMessage().startsWith("allocate failed"), e.getMessage());
            }
        }
        assertTrue(nth > 3 && nth < MANY, "only " + (nth - 1) + " refusals");
    }

    @ParameterizedTest
    @EnumSource(
            value = CacheName.class,
            names = {"PAGED", "KCACHE", "PYRAMID_KCACHE"})
    void everyBlockMayBeTheOneThatIsMissing(CacheName name) {
        Set<String> refused = sweep(name, Tier.DEVICE);
        assertTrue(
                refused.containsAll(Set.of("open", "second prompt", "token of the fork", "resume")), refused::toString);
        assertTrue(refused.stream().anyMatch(step -> step.startsWith("token.")), refused::toString);
    }

    @ParameterizedTest
    @EnumSource(
            value = CacheName.class,
            names = {"PAGED", "KCACHE", "PYRAMID_KCACHE"})
    void everyHomeMayBeTheOneThatIsMissing(CacheName name) {
        Set<String> refused = sweep(name, Tier.HOST);
        assertTrue(refused.contains("suspend"), refused::toString);
    }

    /** Lives with ever more memory in one tier until nothing is refused; returns what was refused on the way. */
    private static Set<String> sweep(CacheName name, Tier tier) {
        Set<String> refused = new TreeSet<>();
        int inARow = 0;
        for (int blocks = 0; blocks < MANY && inARow < 3; blocks++) {
            long bytes = (long) blocks * GEOMETRY.blockBytes();
            KvCacheConfig.Builder builder = builder(name);
            KvCacheConfig config =
                    (tier == Tier.DEVICE ? builder.deviceBytes(bytes) : builder.hostBytes(bytes)).build();
            String found = live(config);
            inARow = found.isEmpty() ? inARow + 1 : 0;
            refused.add(found);
        }
        assertEquals(3, inARow, () -> "something is always refused: " + refused);
        return refused;
    }

    /** One life of a cache; returns the step that was refused, or nothing. */
    private static String live(KvCacheConfig config) {
        KvCache opened;
        try {
            opened = KvCache.open(config);
        } catch (OutOfMemory e) {
            return "open";
        }
        try (KvCache cache = opened;
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, LONGEST)) {
            long empty = cache.ledger().usedBytes(Tier.DEVICE);
            List<KvSequence> open = new ArrayList<>();
            String refused = "";
            for (Map.Entry<String, Runnable> step : steps(cache, engine, open).entrySet()) {
                Ledger before = cache.ledger();
                try {
                    step.getValue().run();
                } catch (OutOfMemory e) {
                    refused = step.getKey();
                    assertTrue(e.deficit().device() + e.deficit().host() > 0, e.getMessage());
                    assertEquals(before, cache.ledger(), refused);
                    break;
                } finally {
                    assertEquals(List.of(), cache.audit(), step.getKey());
                }
            }
            open.forEach(KvSequence::close);
            assertEquals(empty, cache.ledger().usedBytes(Tier.DEVICE), () -> "left behind in " + config);
            assertEquals(0, cache.ledger().usedBytes(Tier.HOST), () -> "left behind in " + config);
            assertServes(cache);
            return refused;
        }
    }

    /** Steps that take ever more memory: of one sequence that fits for sure, then of three. */
    static Map<String, Runnable> steps(KvCache cache, EngineDouble engine, List<KvSequence> open) {
        Map<String, Runnable> steps = new LinkedHashMap<>();
        steps.put("sequences", () -> {
            open.add(cache.openSequence());
            open.add(cache.openSequence());
        });
        steps.put("prompt", () -> engine.prompt(open.get(0), 13));
        steps.put("second prompt", () -> engine.prompt(open.get(1), 13));
        tokens(steps, "token", engine, open, 0);
        steps.put("fork", () -> open.add(open.get(0).fork()));
        tokens(steps, "token of the fork", engine, open, 2);
        steps.put("suspend", () -> open.get(2).suspend());
        tokens(steps, "token of the other", engine, open, 1);
        steps.put("resume", () -> open.get(2).resume());
        steps.put("token behind it", () -> engine.token(open.get(2)));
        return steps;
    }

    private static void tokens(
            Map<String, Runnable> steps, String name, EngineDouble engine, List<KvSequence> open, int sequence) {
        for (int i = 0; i < 5; i++) {
            steps.put(name + ".".repeat(i), () -> engine.token(open.get(sequence)));
        }
    }

    static void assertServes(KvCache cache) {
        try (EngineDouble engine = new EngineDouble(GEOMETRY, SEED + 1, LONGEST);
                KvSequence next = cache.openSequence()) {
            engine.prompt(next, 9);
            engine.token(next);
        }
        assertEquals(List.of(), cache.audit());
    }
}
