package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.PageTables;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.PrefixCaching;
import io.kvmanager.PrefixRequest;
import io.kvmanager.Tier;
import io.kvmanager.TierBytes;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Sequences that start behind what others left: the same results, less work and fewer blocks, nobody else's data. */
class PrefixSharingTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(3, 6, 2, 16, 8, ElementType.F32);
    private static final int TOKENS = 300;
    private static final long SEED = 17;

    /** A kind of cache, and the tokens of its spans. */
    record Kind(CacheName cache, String retention, int span) {}

    static Stream<Kind> kinds() {
        String chunks = "chunks(1/.3/.5,size=32,queries=6,sinks=2,pool=3)";
        return Stream.of(
                new Kind(CacheName.PAGED, "all", 8),
                new Kind(CacheName.KCACHE, "all", 8),
                new Kind(CacheName.PYRAMID, chunks, 32),
                new Kind(CacheName.PYRAMID_KCACHE, chunks, 32));
    }

    private static KvCacheConfig.Builder builder(Kind kind) {
        return KvCacheConfig.builder(kind.cache(), GEOMETRY)
                .device("host:plain")
                .maxSequenceTokens(TOKENS)
                .maxSequences(3)
                .selection(new ValueSelection.TopN(64)) // everything is read
                .compensation(Compensation.NONE)
                .recentTokens(20)
                .set("retention", kind.retention())
                .prefixes(new PrefixCaching("lru", "double"));
    }

    private static int[] tokens(int count) {
        return IntStream.range(0, count).map(i -> 1000 + i).toArray();
    }

    private static void audit(KvCache cache) {
        assertEquals(List.of(), cache.audit());
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void theSecondRequestComputesTheRestOnly(Kind kind) {
        try (KvCache cache = KvCache.open(builder(kind).build());
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, TOKENS)) {
            PrefixRequest request = PrefixRequest.of(tokens(150));
            int[][] positions = new int[GEOMETRY.layers()][];
            long alone;
            try (KvSequence first = cache.openSequence(request)) {
                assertEquals(0, first.length());
                engine.prompt(first, 150, (layer, alive, row) -> null);
                alone = cache.ledger().usedBytes(Tier.DEVICE);
                for (int layer = 0; layer < positions.length; layer++) {
                    positions[layer] = first.positions(layer);
                }
                int cached = 149 / kind.span() * kind.span();
                assertEquals(cached, cache.cachedTokens(request));
                try (KvSequence second = cache.openSequence(request)) {
                    assertEquals(cached, second.length());
                    engine.prompt(second, 150 - cached, (layer, alive, row) -> null);
                    long both = cache.ledger().usedBytes(Tier.DEVICE);
                    assertTrue(both - alone < alone / 2, "two take " + both + ", one " + alone);
                    for (int layer = 0; layer < positions.length; layer++) {
                        assertArrayEquals(positions[layer], second.positions(layer), "layer " + layer);
                    }
                    for (int i = 0; i < 40; i++) {
                        engine.token(second);
                        engine.token(first);
                        audit(cache);
                    }
                }
            }
            assertEquals(149 / kind.span() * kind.span(), cache.cachedTokens(request), "it outlives its sequences");
            audit(cache);
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void generatedTokensAreSharedOnceTheyAreNamed(Kind kind) {
        try (KvCache cache = KvCache.open(builder(kind).build());
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, TOKENS)) {
            int[] all = tokens(140);
            try (KvSequence first = cache.openSequence(PrefixRequest.of(Arrays.copyOf(all, 40)))) {
                engine.prompt(first, 40, (layer, alive, row) -> null);
                for (int i = 40; i < 130; i++) {
                    engine.token(first);
                    first.name(all[i]);
                }
                engine.token(first);
            }
            int cached = 130 / kind.span() * kind.span();
            try (KvSequence second = cache.openSequence(PrefixRequest.of(all))) {
                assertEquals(cached, second.length());
                for (int i = 0; i < 30; i++) {
                    engine.token(second);
                }
                audit(cache);
            }
        }
    }

    @Test
    void whatDecidesTheContentDecidesTheIdentity() {
        Kind kind = kinds().findFirst().orElseThrow();
        try (KvCache cache = KvCache.open(builder(kind).build());
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, TOKENS)) {
            PrefixRequest request = PrefixRequest.of(tokens(64)).tenant("a").adapter("lora-1");
            try (KvSequence first = cache.openSequence(request)) {
                engine.prompt(first, 64);
            }
            assertEquals(63, cache.cachedTokens(request), "a token is left to compute");
            assertEquals(63, cache.cachedTokens(request.priority(3)));
            assertEquals(0, cache.cachedTokens(request.tenant("b")));
            assertEquals(0, cache.cachedTokens(request.tenant("")));
            assertEquals(0, cache.cachedTokens(request.adapter("lora-2")));
            int[] other = tokens(64);
            other[20]++;
            assertEquals(
                    20, cache.cachedTokens(PrefixRequest.of(other).tenant("a").adapter("lora-1")));
            assertEquals(
                    0,
                    cache.cachedTokens(PrefixRequest.of(tokens(1)).tenant("a").adapter("lora-1")));
        }
    }

    @Test
    void theRestOfACopiedBlockReadsAsZero() {
        Kind kind = kinds().findFirst().orElseThrow();
        try (KvCache cache = KvCache.open(builder(kind).build());
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, TOKENS)) {
            try (KvSequence first = cache.openSequence(PrefixRequest.of(tokens(64)))) {
                engine.prompt(first, 64);
            }
            try (KvSequence second = cache.openSequence(PrefixRequest.of(tokens(30)))) {
                assertEquals(29, second.length());
                PageTables tables = cache.pageTables(1, List.of(second));
                assertArrayEquals(new int[] {5}, tables.lastPageLen());
                for (int slot = 0; slot < kind.span(); slot++) {
                    long key = GEOMETRY.tileOffset(GEOMETRY.tileIndex(tables.keys()[3], 1)) + 4L * slot;
                    long value = GEOMETRY.rowOffset(tables.values()[3], 1, slot);
                    assertEquals(slot >= 5, tables.slab().get(ValueLayout.JAVA_FLOAT, key) == 0, "K of slot " + slot);
                    assertEquals(slot >= 5, tables.slab().get(ValueLayout.JAVA_FLOAT, value) == 0, "V of slot " + slot);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void tenantsShareNothingThroughSuspension(Kind kind) {
        KvCacheConfig config = builder(kind).hostBytes(4 << 20).build();
        try (KvCache cache = KvCache.open(config);
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, TOKENS)) {
            PrefixRequest request = PrefixRequest.of(tokens(150));
            try (KvSequence a = cache.openSequence(request.tenant("a"))) {
                engine.prompt(a, 150, (layer, alive, row) -> null);
                TierBytes alone = used(cache);
                try (KvSequence b = cache.openSequence(request.tenant("b"))) {
                    assertEquals(0, b.length());
                    engine.prompt(b, 150, (layer, alive, row) -> null);
                    TierBytes both = new TierBytes(2 * alone.device(), 2 * alone.host());
                    assertEquals(both, used(cache), "each holds its own blocks and homes");
                    long moved = a.suspend();
                    assertEquals(moved, b.suspend(), "b's blocks have no copy among a's");
                    audit(cache);
                    assertEquals(a.resume(), b.resume());
                    assertEquals(both, used(cache));
                    audit(cache);
                    for (int i = 0; i < 20; i++) { // both outputs are compared with the oracle
                        engine.token(a);
                        engine.token(b);
                    }
                }
            }
        }
    }

    private static TierBytes used(KvCache cache) {
        Ledger ledger = cache.ledger();
        long tileCache = ledger.bytes(Tier.DEVICE, Ledger.Account.TILE_CACHE);
        return new TierBytes(ledger.usedBytes(Tier.DEVICE) - tileCache, ledger.usedBytes(Tier.HOST));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void cachedPrefixesGiveWayToSequences(Kind kind) {
        SplittableRandom random = new SplittableRandom(SEED);
        try (KvCache cache = KvCache.open(builder(kind).build());
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, TOKENS)) {
            for (int round = 0; round < 60; round++) {
                int prompt = 1 + random.nextInt(250);
                int[] ids = tokens(prompt);
                ids[0] = random.nextInt(6); // a few families of prompts; rows depend on positions alone
                String message = "seed " + SEED + " round " + round;
                try (KvSequence sequence = cache.openSequence(PrefixRequest.of(ids));
                        KvSequence beside = cache.openSequence()) {
                    if (prompt > sequence.length()) {
                        engine.prompt(sequence, prompt - sequence.length(), (layer, alive, row) -> null);
                    }
                    engine.prompt(beside, 200, (layer, alive, row) -> null);
                    engine.token(sequence);
                    assertEquals(prompt + 1, sequence.length(), message);
                    audit(cache);
                }
                audit(cache);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void forksCutsAndSuspensionsKeepTheBooks(Kind kind) {
        SplittableRandom random = new SplittableRandom(SEED + 1);
        KvCacheConfig config = builder(kind).hostBytes(4 << 20).build();
        try (KvCache cache = KvCache.open(config);
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, TOKENS)) {
            for (int round = 0; round < 40; round++) {
                List<KvSequence> open = new ArrayList<>();
                open.add(cache.openSequence(PrefixRequest.of(tokens(120))));
                engine.prompt(open.getFirst(), 120 - open.getFirst().length(), (layer, alive, row) -> null);
                open.add(open.getFirst().fork());
                for (int i = 0; i < 25; i++) {
                    KvSequence one = open.get(random.nextInt(open.size()));
                    switch (random.nextInt(5)) {
                        case 0 -> one.truncate(one.length() - random.nextInt(Math.min(50, one.length())));
                        case 1 -> {
                            one.suspend();
                            audit(cache);
                            one.resume();
                        }
                        default -> engine.token(one);
                    }
                    audit(cache);
                }
                open.forEach(KvSequence::close);
                audit(cache);
            }
        }
    }

    @Test
    void aLongRestBehindAShortPrefixFitsWhereTheWholeFits() {
        Kind kind = kinds().toList().get(2);
        KvCacheConfig config = builder(kind).maxSequences(1).build(); // as many blocks as one pruned prompt takes
        try (KvCache cache = KvCache.open(config);
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, TOKENS)) {
            try (KvSequence first = cache.openSequence(PrefixRequest.of(tokens(40)))) {
                engine.prompt(first, 40, (layer, alive, row) -> null);
            }
            try (KvSequence second = cache.openSequence(PrefixRequest.of(tokens(290)))) {
                assertEquals(32, second.length());
                engine.prompt(second, 258, (layer, alive, row) -> null);
                engine.token(second);
                audit(cache);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Compensation.class,
            names = {"MEAN", "INT4", "INT8"})
    void whatStandsInIsMadeAgainBehindAPrefix(Compensation compensation) {
        KvCacheConfig config = KvCacheConfig.builder(CacheName.KCACHE, GEOMETRY)
                .device("host:plain")
                .maxSequenceTokens(TOKENS)
                .maxSequences(3)
                .selection(new ValueSelection.TopN(1))
                .compensation(compensation)
                .recentTokens(20)
                .prefixes(new PrefixCaching("lru", "double"))
                .build();
        PlacementPolicy.Offloaded placement = (PlacementPolicy.Offloaded) config.placement();
        try (KvCache cache = KvCache.open(config);
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, TOKENS)) {
            PrefixRequest request = PrefixRequest.of(tokens(150));
            try (KvSequence first = cache.openSequence(request)) {
                engine.prompt(first, 150);
            }
            try (KvSequence second = cache.openSequence(request);
                    KvSequence third = cache.openSequence(request)) {
                assertTrue(second.length() > 100);
                for (int i = 0; i < 30; i++) {
                    engine.token(i % 3 == 0 ? third : second, (layer, positions) -> {
                        int slots = positions.length - 1;
                        int residentFrom = Math.max(1, Math.min(slots / 8, (slots - placement.recentTokens()) / 8));
                        float[] q = engine.query(layer, positions[slots]);
                        return engine.reference().attendOffloaded(layer, q, positions, residentFrom, placement);
                    });
                    audit(cache);
                }
            }
            audit(cache);
        }
    }

    @Test
    void whatCannotBeSharedIsRefused() {
        Kind paged = kinds().findFirst().orElseThrow();
        assertThrows(
                IllegalArgumentException.class,
                () -> KvCacheConfig.builder(CacheName.PYRAMID, GEOMETRY)
                        .set("retention", "layers(1/.5/.5)")
                        .prefixes(new PrefixCaching("lru", "m"))
                        .build());
        KvCacheConfig unknown =
                builder(paged).prefixes(new PrefixCaching("newest", "m")).build();
        assertTrue(assertThrows(IllegalArgumentException.class, () -> KvCache.open(unknown))
                .getMessage()
                .contains("eviction policy 'newest' is unknown; accepted: lru"));
        try (KvCache cache =
                        KvCache.open(builder(paged).prefixes(PrefixCaching.OFF).build());
                KvSequence sequence = cache.openSequence()) {
            assertThrows(UnsupportedOperationException.class, () -> cache.openSequence(PrefixRequest.of(1)));
            assertThrows(UnsupportedOperationException.class, () -> sequence.name(1));
        }
    }
}
