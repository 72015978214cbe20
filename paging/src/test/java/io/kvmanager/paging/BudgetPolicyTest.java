package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.BudgetPolicy;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException;
import io.kvmanager.KvSequence;
import io.kvmanager.MemoryPlan;
import io.kvmanager.Tier;
import io.kvmanager.testing.EngineDouble;
import io.kvmanager.testing.LeakCheck;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The caches under a budget against {@link BudgetOracle}: what every KV head keeps, step by step, and the output. */
class BudgetPolicyTest {
    private static final long SEED = 20261129;
    private static final CacheGeometry GROUPS = new CacheGeometry(5, 6, 2, 16, 8, ElementType.F32);
    private static final CacheGeometry HEADS = new CacheGeometry(4, 4, 4, 8, 16, ElementType.BF16);

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    /** A policy as text, and what it runs on. */
    record Case(String retention, CacheGeometry geometry, int prompt, double queryScale) {}

    static Stream<Case> cases() {
        List<Case> cases = new ArrayList<>();
        for (String retention : List.of(
                "h2o(budget=.3)",
                "h2o(budget=40,recent=.25)",
                "h2o(budget=1,recent=0)",
                "tova(budget=.3)",
                "tova(budget=33)",
                "snapkv(budget=.4,window=16,pool=5)",
                "snapkv(budget=20,window=32,pool=7)",
                "pyramidkv(budget=.4,window=8,pool=7)",
                "pyramidkv(budget=.9,window=16,pool=1,beta=3)",
                "pyramidkv(budget=30,window=32)",
                "quest(budget=.3,full=1)",
                "quest(budget=2,full=0)")) {
            cases.add(new Case(retention, GROUPS, 97, 2));
            cases.add(new Case(retention, HEADS, 64, 6)); // peaked
            cases.add(new Case(retention, GROUPS, 70, .2)); // nearly uniform
        }
        return cases.stream();
    }

    private static KvCacheConfig.Builder builder(String retention, CacheGeometry geometry) {
        String name = retention.substring(0, retention.indexOf('('));
        return KvCacheConfig.builder(CacheName.parse(name), geometry)
                .device("host:plain")
                .set("retention", retention)
                .maxSequenceTokens(160)
                .promptTokens(97);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void everyHeadKeepsWhatThePaperSays(Case testCase) {
        compare(builder(testCase.retention(), testCase.geometry()).build(), testCase, 45, leaks);
    }

    /** Runs a prompt and {@code steps} tokens beside the oracle. */
    static void compare(KvCacheConfig config, Case testCase, int steps, LeakCheck leaks) {
        CacheGeometry geometry = testCase.geometry();
        try (EngineDouble engine = new EngineDouble(geometry, SEED, 160, testCase.queryScale());
                KvSequence sequence = leaks.open(config).openSequence()) {
            BudgetOracle oracle = new BudgetOracle((BudgetPolicy) config.retention(), geometry, engine);
            engine.prompt(sequence, testCase.prompt());
            for (int layer = 0; layer < geometry.layers(); layer++) {
                oracle.prompt(layer, testCase.prompt());
            }
            assertSameTokens(oracle, sequence, geometry, "behind the prompt");
            for (int step = 0; step < steps; step++) {
                int position = sequence.length();
                engine.token(sequence, (layer, positions) -> oracle.token(layer, position));
                assertSameTokens(oracle, sequence, geometry, "step " + step);
            }
            leaks.audit();
        }
    }

    private static void assertSameTokens(
            BudgetOracle oracle, KvSequence sequence, CacheGeometry geometry, String when) {
        for (int layer = 0; layer < geometry.layers(); layer++) {
            for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
                int[] expected = oracle.held(layer, kvHead);
                assertArrayEquals(
                        expected,
                        ((BudgetSequence) sequence).positions(layer, kvHead),
                        when + ", layer " + layer + ", KV head " + kvHead + ", seed " + SEED);
                assertEquals(expected.length, sequence.retained(layer));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void aSequenceOfThePlannedLengthsTakesThePlannedBytes(Case testCase) {
        CacheGeometry geometry = testCase.geometry();
        KvCacheConfig config = builder(testCase.retention(), geometry)
                .promptTokens(testCase.prompt())
                .build();
        MemoryPlan plan = KvCache.plan(config);
        KvCache cache = leaks.open(config);
        assertEquals(plan.deviceBytes(), cache.memory().deviceBytesAllocated());
        try (EngineDouble engine = new EngineDouble(geometry, SEED, 160);
                KvSequence sequence = cache.openSequence()) {
            engine.prompt(sequence, testCase.prompt(), (layer, alive, row) -> null);
            for (int layer = 0; layer < geometry.layers(); layer++) {
                assertEquals(plan.retainedTokensPerLayer().get(layer), sequence.retained(layer));
            }
            while (sequence.length() < 160) {
                engine.token(sequence, (layer, positions) -> null);
            }
            assertEquals(plan.deviceBytes(), cache.memory().deviceBytesPeak(), "the slab is used to the last block");
        }
    }

    @Test
    void pyramidKvHasTheSameTotalAsEqualBudgets() {
        for (int layers : new int[] {1, 2, 5, 12, 40}) {
            for (int tokens : new int[] {70, 333, 1000, 8192}) {
                CacheGeometry geometry = new CacheGeometry(layers, 2, 1, 8, 16, ElementType.BF16);
                KvCacheConfig.Builder builder = KvCacheConfig.builder(CacheName.PYRAMIDKV, geometry)
                        .maxSequenceTokens(tokens)
                        .budget(.3);
                List<Integer> lengths = KvCache.plan(builder.build()).retainedTokensPerLayer();
                int total = lengths.stream().mapToInt(Integer::intValue).sum();
                assertEquals(layers * (int) (tokens * .3), total);
                for (int layer = 1; layer < layers; layer++) {
                    int step = lengths.get(layer - 1) - lengths.get(layer);
                    int first = lengths.get(0) - lengths.get(1);
                    assertTrue(Math.abs(step - first) <= 2, () -> "no arithmetic progression: " + lengths);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(value = CacheName.class, from = "H2O")
    void truncationStopsAtTheLastEviction(CacheName name) {
        KvCacheConfig config = KvCacheConfig.builder(name, GROUPS)
                .device("host:plain")
                .maxSequenceTokens(160)
                .budget(40)
                .build();
        try (EngineDouble engine = new EngineDouble(GROUPS, SEED, 160);
                KvSequence sequence = leaks.open(config).openSequence()) {
            engine.prompt(sequence, 30);
            sequence.truncate(20); // nothing is evicted yet
            assertEquals(20, sequence.retained(1));
            sequence.truncate(0);
            engine.prompt(sequence, 90);
            for (int i = 0; i < 10; i++) {
                engine.token(sequence, (layer, positions) -> null);
            }
            if (name == CacheName.QUEST) {
                sequence.truncate(7);
                assertEquals(7, sequence.retained(0));
            } else {
                String refusal = assertThrows(UnsupportedOperationException.class, () -> sequence.truncate(89))
                        .getMessage();
                assertTrue(refusal.contains(name.toString()), refusal);
                assertEquals(100, sequence.length());
            }
            if (name == CacheName.SNAPKV || name == CacheName.PYRAMIDKV) {
                sequence.truncate(93);
                int[] positions = sequence.positions(2);
                assertEquals(92, positions[positions.length - 1]);
            }
            leaks.audit();
            sequence.truncate(0);
            assertEquals(0, sequence.deviceBytes());
            engine.prompt(sequence, 50);
        }
    }

    @ParameterizedTest
    @EnumSource(value = CacheName.class, from = "H2O")
    void aForkIsACopyThatGoesOnAlike(CacheName name) {
        KvCacheConfig config = KvCacheConfig.builder(name, GROUPS)
                .device("host:plain")
                .maxSequences(2)
                .maxSequenceTokens(160)
                .promptTokens(90)
                .budget(.3)
                .build();
        KvCache cache = leaks.open(config);
        try (EngineDouble engine = new EngineDouble(GROUPS, SEED, 160);
                KvSequence parent = cache.openSequence()) {
            engine.prompt(parent, 90);
            try (KvSequence child = parent.fork()) {
                assertEquals(2 * parent.deviceBytes(), cache.ledger().usedBytes(Tier.DEVICE));
                for (int i = 0; i < 12; i++) {
                    engine.token(parent, (layer, positions) -> null);
                }
                for (int i = 0; i < 12; i++) {
                    engine.token(child, (layer, positions) -> null);
                }
                for (int layer = 0; layer < GROUPS.layers(); layer++) {
                    assertArrayEquals(parent.positions(layer), child.positions(layer));
                }
                leaks.audit();
            }
            KvSequence other = cache.openSequence();
            engine.prompt(other, 90);
            assertThrows(KvCacheException.TooManySequences.class, parent::fork);
            other.close();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"h2o(budget=.3)", "tova(budget=.3)", "snapkv(budget=.3)", "quest(budget=.3)"})
    void aLaterPromptRunsAsTokensDo(String retention) {
        KvCacheConfig config = builder(retention, GROUPS).build();
        try (EngineDouble engine = new EngineDouble(GROUPS, SEED, 160);
                KvSequence sequence = leaks.open(config).openSequence()) {
            BudgetOracle oracle = new BudgetOracle((BudgetPolicy) config.retention(), GROUPS, engine);
            engine.prompt(sequence, 80);
            for (int layer = 0; layer < GROUPS.layers(); layer++) {
                oracle.prompt(layer, 80);
            }
            engine.prompt(sequence, 30, (layer, alive, row) -> oracle.token(layer, alive[row]));
            assertSameTokens(oracle, sequence, GROUPS, "behind the second prompt");
        }
    }
}
