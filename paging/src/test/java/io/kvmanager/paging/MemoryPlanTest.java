package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.MemoryPlan;
import io.kvmanager.PrefixCaching;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.KvCacheBackend;
import io.kvmanager.spi.ProviderSelection;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What budgets hold, to the byte. */
class MemoryPlanTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(3, 4, 2, 8, 8, ElementType.F32);
    private static final long BLOCK_BYTES = 2 * 8 * 8 * 4;
    private static final int MOST_BLOCKS = Integer.MAX_VALUE / 64;

    private static KvCacheConfig.Builder builder(CacheName cache) {
        return KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain")
                .maxSequenceTokens(100)
                .promptTokens(60)
                .recentTokens(16);
    }

    private static MemoryPlan plan(KvCacheConfig.Builder builder) {
        KvCacheConfig config = builder.build();
        return config.cache().budgeted() ? new BudgetPlan(config).memoryPlan() : new PagedPlan(config).memoryPlan();
    }

    private static void requireOneSequence(KvCacheConfig.Builder builder) {
        KvCacheConfig config = builder.build();
        if (config.cache().budgeted()) {
            new BudgetPlan(config).requireOneSequence();
        } else {
            new PagedPlan(config).requireOneSequence();
        }
    }

    @ParameterizedTest
    @CsvSource({"PAGED", "KCACHE", "PYRAMID_KCACHE", "H2O", "QUEST"})
    void oneByteLessThanASequenceNeedsIsRefused(CacheName cache) {
        MemoryPlan derived = plan(builder(cache));
        assertEquals(1, derived.sequences());
        assertEquals(derived.sequenceBlocksPeak() + derived.tileCacheBlocks(), derived.blocks());
        assertEquals(derived.blocks() * BLOCK_BYTES, derived.slabBytes());
        KvCacheConfig.Builder exact =
                builder(cache).deviceBytes(derived.deviceBytes()).hostBytes(derived.hostBytes());
        assertEquals(derived, plan(exact));
        assertDoesNotThrow(() -> requireOneSequence(exact));
        exact.deviceBytes(derived.deviceBytes() - 1);
        assertEquals(derived.blocks() - 1, plan(exact).blocks());
        assertEquals(0, plan(exact).sequences());
        OutOfMemory shortage = assertThrows(OutOfMemory.class, () -> requireOneSequence(exact));
        assertEquals(derived.deviceBytes(), shortage.requested().device());
        assertEquals(0, shortage.requested().host());
        assertEquals(1, shortage.deficit().device());
    }

    @Test
    void homesAreABudgetOfTheirOwn() {
        MemoryPlan one = plan(builder(CacheName.KCACHE));
        assertTrue(one.hostBytes() > 0);
        assertEquals(
                3 * one.hostBytes(),
                plan(builder(CacheName.KCACHE).maxSequences(3)).hostBytes());
        assertEquals(3, plan(builder(CacheName.KCACHE).maxSequences(3)).sequences());
        assertEquals(
                2,
                plan(builder(CacheName.KCACHE).maxSequences(3).hostBytes(2 * one.hostBytes() + BLOCK_BYTES))
                        .sequences());
        KvCacheConfig.Builder exact = builder(CacheName.KCACHE).hostBytes(one.hostBytes());
        assertDoesNotThrow(() -> requireOneSequence(exact));
        exact.hostBytes(one.hostBytes() - 1);
        OutOfMemory shortage = assertThrows(OutOfMemory.class, () -> requireOneSequence(exact));
        assertEquals(one.hostBytes(), shortage.requested().host());
        assertEquals(0, shortage.requested().device());
    }

    @Test
    void budgetsBeyondAllBlocksAreCut() {
        for (CacheName cache : new CacheName[] {CacheName.PAGED, CacheName.SNAPKV}) {
            assertEquals(0, plan(builder(cache).deviceBytes(1)).blocks());
            assertEquals(MOST_BLOCKS, plan(builder(cache).deviceBytes(1L << 50)).blocks());
        }
        assertEquals(
                MOST_BLOCKS * BLOCK_BYTES,
                plan(builder(CacheName.PAGED).hostBytes(1L << 50)).hostBytes());
    }

    @Test
    void theTileCacheIsBesideTheSequences() {
        assertEquals(0, plan(builder(CacheName.PAGED)).tileCacheBlocks());
        assertEquals(9, plan(builder(CacheName.KCACHE).tileCacheTiles(17)).tileCacheBlocks(), "2 tiles in a block");
        MemoryPlan three = plan(builder(CacheName.KCACHE).tileCacheTiles(17).maxSequences(3));
        assertEquals(3 * three.sequenceBlocksPeak() + 9, three.blocks());
    }

    @Test
    void tablesAndScratchOfPoliciesUnderABudget() {
        BudgetPlan h2o = new BudgetPlan(builder(CacheName.H2O).maxSequences(3).build());
        assertEquals(4 * (2 + 2 * 13), h2o.layerTableBytes());
        assertEquals(3 * h2o.layerTableBytes(), h2o.sequenceTableBytes());
        assertEquals(3 * h2o.sequenceTableBytes(), h2o.memoryPlan().tableBytes());
        assertEquals(0, h2o.pageScratchBytes());
        assertEquals(h2o.blockCount(), 3 * h2o.memoryPlan().sequenceBlocksPeak());
        assertEquals(3, h2o.memoryPlan().sequences());
        BudgetPlan quest = new BudgetPlan(builder(CacheName.QUEST).build());
        assertEquals(4 * 8 * 2 * 8, quest.pageScratchBytes(), "a page's K in F32");
        long beside = h2o.memoryPlan().workspaceBytes();
        assertEquals(beside + quest.pageScratchBytes(), quest.memoryPlan().workspaceBytes());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "PAGED; all",
                "PAGED; all, and prefixes",
                "KCACHE; all",
                "LOCAL; local(sinks=2,recent=20)",
                "PYRAMID; half",
                "PYRAMID_KCACHE; layers(1/.5/.3)",
                "PYRAMID; chunks(1/.5/.3,size=24)",
                "TOVA; tova(budget=.3)",
                "QUEST; quest(budget=.3)"
            })
    void openingTakesWhatIsPlanned(CacheName cache, String retention) {
        KvCacheConfig.Builder builder =
                builder(cache).maxSequences(2).set("retention", retention.replace(", and prefixes", ""));
        if (retention.endsWith("prefixes")) {
            builder.prefixes(new PrefixCaching("lru", "model"));
        }
        MemoryPlan plan = plan(builder);
        KvCacheConfig config = builder.build();
        try (KvCacheBackend backend = cache.budgeted()
                ? new BudgetBackend(config, new BudgetPlan(config), ProviderSelection.device("host:plain"))
                : Backends.open(config)) {
            assertEquals(plan.deviceBytes(), backend.memory().deviceBytesAllocated());
            assertEquals(plan.hostBytes(), backend.memory().hostBytesAllocated());
        }
    }

    @Test
    void cachedPrefixesNeedZerosForTheRestOfABlock() {
        KvCacheConfig.Builder keeps = builder(CacheName.PAGED).prefixes(new PrefixCaching("lru", "model"));
        long zeros =
                plan(keeps).workspaceBytes() - plan(builder(CacheName.PAGED)).workspaceBytes();
        assertEquals(4 * 7 * 2 * 8, zeros);
        long attention = AttentionWorkspace.bytes(GEOMETRY, 100);
        assertEquals(attention, plan(builder(CacheName.PAGED)).workspaceBytes(), "nothing to prune with");
    }

    @Test
    void layersUnderABudgetKeepTheirPart() {
        assertEquals(
                List.of(18, 18, 18), plan(builder(CacheName.TOVA).budget(.3)).retainedTokensPerLayer());
    }

    @Test
    void aFootprintForgetsEarlierRuns() {
        KvCacheConfig config = builder(CacheName.KCACHE).build();
        Footprint used = new Footprint(config).run(60, 100);
        int blocks = used.peakBlocks();
        Footprint fresh = new Footprint(config).run(0, 50);
        used.run(0, 50);
        assertEquals(fresh.peakBlocks(), used.peakBlocks());
        assertEquals(fresh.peakHomes(), used.peakHomes());
        assertEquals(0, used.run(0, 0).peakBlocks());
        assertEquals(blocks, used.run(60, 100).peakBlocks());
    }
}
