package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.BudgetPolicy;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.testing.EngineDouble;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Short lives under a budget beside {@link BudgetOracle}; {@link BudgetPolicyTest} has the long ones. */
class BudgetEvictionTest {
    private static final List<CacheGeometry> GEOMETRIES = List.of(
            new CacheGeometry(2, 4, 2, 8, 8, ElementType.F32),
            new CacheGeometry(3, 2, 1, 4, 4, ElementType.F32), // what is remembered takes several blocks
            new CacheGeometry(2, 3, 3, 4, 4, ElementType.BF16));
    private static final long SEED = 23;
    private static final int LIMIT = 60;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "h2o(budget=12,recent=.25)",
                "h2o(budget=.3,recent=0)",
                "tova(budget=11)",
                "snapkv(budget=12,window=4,pool=3)",
                "pyramidkv(budget=12,window=4,pool=3)",
                "quest(budget=17,full=1)",
                "quest(budget=9,full=0)"
            })
    void promptsTokensAndForksKeepAndReadWhatTheOracleDoes(String retention) {
        for (CacheGeometry geometry : GEOMETRIES) {
            live(retention, geometry, 30);
            live(retention, geometry, 9);
        }
    }

    private static void live(String retention, CacheGeometry geometry, int prompt) {
        KvCacheConfig config = KvCacheConfig.builder(
                        CacheName.parse(retention.substring(0, retention.indexOf('('))), geometry)
                .device("host:plain")
                .set("retention", retention)
                .maxSequences(2)
                .maxSequenceTokens(LIMIT)
                .build();
        try (BudgetBackend backend =
                        new BudgetBackend(config, new BudgetPlan(config), ProviderSelection.device("host:plain"));
                EngineDouble engine = new EngineDouble(geometry, SEED, LIMIT)) {
            BudgetOracle oracle = new BudgetOracle((BudgetPolicy) config.retention(), geometry, engine);
            KvSequence parent = backend.openSequence();
            engine.prompt(parent, prompt);
            for (int layer = 0; layer < geometry.layers(); layer++) {
                oracle.prompt(layer, prompt);
            }
            assertSame(oracle, parent, geometry);
            tokens(parent, 5, engine, oracle, geometry);
            KvSequence child = parent.fork();
            parent.close();
            tokens(child, 9, engine, oracle, geometry);
            engine.prompt(child, 7, (layer, alive, row) -> oracle.token(layer, alive[row]));
            assertSame(oracle, child, geometry);
            assertEquals(List.of(), backend.audit());
            child.close();
            assertEquals(List.of(), backend.audit());
        }
    }

    private static void tokens(
            KvSequence sequence, int count, EngineDouble engine, BudgetOracle oracle, CacheGeometry geometry) {
        for (int i = 0; i < count; i++) {
            int position = sequence.length();
            engine.token(sequence, (layer, positions) -> oracle.token(layer, position));
            assertSame(oracle, sequence, geometry);
        }
    }

    private static void assertSame(BudgetOracle oracle, KvSequence sequence, CacheGeometry geometry) {
        for (int layer = 0; layer < geometry.layers(); layer++) {
            for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
                String what = "length " + sequence.length() + ", layer " + layer + ", KV head " + kvHead;
                assertArrayEquals(
                        oracle.held(layer, kvHead), ((BudgetSequence) sequence).positions(layer, kvHead), what);
            }
        }
    }
}
