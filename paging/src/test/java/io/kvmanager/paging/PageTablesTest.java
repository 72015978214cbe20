package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.PageTables;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Exported tables: dense K and V, rebuilt from them by the rules that they state, are what went in. */
class PageTablesTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 2, 16, 8, ElementType.F32);

    private static KvCacheConfig.Builder builder(CacheName cache) {
        return KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain")
                .maxSequences(4)
                .maxSequenceTokens(100)
                .selection(new ValueSelection.TopN(2))
                .recentTokens(16);
    }

    @ParameterizedTest
    @CsvSource({"PAGED, all", "PYRAMID, 'layers(1/.4,recent=10)'", "LOCAL, 'local(sinks=2,recent=20)'"})
    void denseRowsCanBeRebuilt(CacheName name, String retention) {
        try (KvCache cache =
                        KvCache.open(builder(name).set("retention", retention).build());
                EngineDouble engine = new EngineDouble(GEOMETRY, 9, 100);
                KvSequence one = cache.openSequence();
                KvSequence two = cache.openSequence()) {
            engine.prompt(one, 50);
            engine.prompt(two, 16);
            try (KvSequence three = one.fork()) {
                engine.token(three);
                List<KvSequence> batch = List.of(two, three, one);
                for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                    PageTables tables = cache.pageTables(layer, batch);
                    assertEquals(batch.size() + 1, tables.indptr().length);
                    for (int i = 0; i < batch.size(); i++) {
                        int[] positions = batch.get(i).positions(layer);
                        assertArrayEquals(expected(engine, layer, positions, true), rebuilt(tables, i, true), "K");
                        assertArrayEquals(expected(engine, layer, positions, false), rebuilt(tables, i, false), "V");
                    }
                }
            }
        }
    }

    private static float[] expected(EngineDouble engine, int layer, int[] positions, boolean keys) {
        int row = GEOMETRY.keyValueRowElements();
        float[] dense = new float[positions.length * row];
        for (int i = 0; i < positions.length; i++) {
            float[] one = keys ? engine.key(layer, positions[i]) : engine.value(layer, positions[i]);
            System.arraycopy(one, 0, dense, i * row, row);
        }
        return dense;
    }

    private static float[] rebuilt(PageTables tables, int sequence, boolean keys) {
        int[] ids = keys ? tables.keys() : tables.values();
        int first = tables.indptr()[sequence];
        int blocks = tables.indptr()[sequence + 1] - first;
        int slots = (blocks - 1) * GEOMETRY.blockTokens() + tables.lastPageLen()[sequence];
        int heads = GEOMETRY.kvHeads();
        int size = GEOMETRY.headSize();
        float[] dense = new float[slots * heads * size];
        for (int slot = 0; slot < slots; slot++) {
            long block = (long) ids[first + slot / GEOMETRY.blockTokens()] * GEOMETRY.blockBytes();
            for (int head = 0; head < heads; head++) {
                for (int e = 0; e < size; e++) {
                    int inBlock = slot % GEOMETRY.blockTokens();
                    int inTile = keys ? e * GEOMETRY.blockTokens() + inBlock : inBlock * size + e;
                    long at = block + 4L * head * GEOMETRY.blockTokens() * size + 4L * inTile;
                    dense[(slot * heads + head) * size + e] = tables.slab().get(ValueLayout.JAVA_FLOAT, at);
                }
            }
        }
        return dense;
    }

    @Test
    void whatIsNotInDeviceMemoryIsRefused() {
        try (KvCache cache = KvCache.open(builder(CacheName.KCACHE).build());
                EngineDouble engine = new EngineDouble(GEOMETRY, 9, 100);
                KvSequence sequence = cache.openSequence()) {
            assertThrows(IllegalStateException.class, () -> cache.pageTables(0, List.of(sequence)));
            engine.prompt(sequence, 90);
            assertEquals(
                    "V of block 1 of layer 0 is in host memory; only what is in device memory can be exported",
                    assertThrows(IllegalStateException.class, () -> cache.pageTables(0, List.of(sequence)))
                            .getMessage());
        }
    }
}
