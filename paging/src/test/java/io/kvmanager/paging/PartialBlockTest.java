package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.PrefixCaching;
import io.kvmanager.PrefixRequest;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Sequences that begin with a copied part of a block. What the first engine leaves behind has rows of its own from the
 * token on where the requests part, so a row that should not be read, or is not overwritten, shows in the output.
 */
class PartialBlockTest {
    private static final int BLOCK = 8;
    private static final CacheGeometry GEOMETRY = new CacheGeometry(3, 6, 2, 16, BLOCK, ElementType.F32);
    private static final int TOKENS = 104;
    private static final int SPAN_BLOCKS = 2 * 3; // K and V of every layer

    private final EngineDouble engine = new EngineDouble(GEOMETRY, 5, TOKENS);
    private final EngineDouble stranger = new EngineDouble(GEOMETRY, 6, TOKENS);

    /** A kind of cache; with a compensation that stands in for V, next to nothing else is read. */
    record Kind(CacheName cache, Compensation compensation) {
        boolean approximates() {
            return compensation != Compensation.NONE;
        }
    }

    protected static Stream<Kind> kinds() {
        return Stream.of(
                new Kind(CacheName.PAGED, Compensation.NONE),
                new Kind(CacheName.KCACHE, Compensation.NONE),
                new Kind(CacheName.KCACHE, Compensation.MEAN),
                new Kind(CacheName.KCACHE, Compensation.INT4));
    }

    protected String device() {
        return "host:plain";
    }

    /** Tokens of a block that are shared. */
    protected IntStream parts() {
        return IntStream.range(0, BLOCK);
    }

    /** Random lives of two sequences. */
    protected int lives() {
        return 20;
    }

    private KvCacheConfig.Builder builder(Kind kind) {
        return KvCacheConfig.builder(kind.cache(), GEOMETRY)
                .device(device())
                .maxSequenceTokens(TOKENS)
                .maxSequences(4)
                .selection(new ValueSelection.TopN(kind.approximates() ? 1 : 64))
                .compensation(kind.compensation())
                .recentTokens(20)
                .prefixes(new PrefixCaching("lru", "double"));
    }

    private KvCache open(Kind kind) {
        return KvCache.open(builder(kind).build());
    }

    /** {@code count} ids that are everybody's below {@code common}, and from there on those of {@code whose}. */
    private static int[] tokens(int count, int common, int whose) {
        return IntStream.range(0, count)
                .map(i -> i < common ? i : 1000 * whose + i)
                .toArray();
    }

    /** Leaves a request's tokens behind: the engine's below {@code common}, a stranger's from there on. */
    private void leave(KvCache cache, PrefixRequest request, int common) {
        int count = request.tokens().length;
        try (KvSequence sequence = cache.openSequence(request)) {
            int start = sequence.length();
            if (common > start) {
                engine.prompt(sequence, common - start, (layer, alive, row) -> null);
            }
            stranger.prompt(sequence, count - Math.max(common, start), (layer, alive, row) -> null);
        }
    }

    private void leave(KvCache cache, int count, int common, int whose) {
        leave(cache, PrefixRequest.of(tokens(count, common, whose)), common);
    }

    /** Computes the rest of a prompt and compares every row with attention over all tokens. */
    private void prompt(KvSequence sequence, int tokens) {
        int before = sequence.length();
        engine.prompt(
                sequence,
                tokens - before,
                (layer, alive, row) -> engine.reference()
                        .attend(
                                layer,
                                engine.query(layer, alive[row]),
                                IntStream.rangeClosed(0, alive[row]).toArray()));
    }

    /** Computes a token and compares it with what a sequence that computed everything gives. */
    private void token(KvSequence sequence, Kind kind, PlacementPolicy placement) {
        if (!kind.approximates()) {
            engine.token(sequence);
            return;
        }
        PlacementPolicy.Offloaded offloaded = (PlacementPolicy.Offloaded) placement;
        engine.token(sequence, (layer, positions) -> {
            int slots = positions.length - 1;
            int residentFrom = Math.max(1, Math.min(slots, slots - offloaded.recentTokens()) / BLOCK);
            return engine.reference()
                    .attendOffloaded(layer, engine.query(layer, positions[slots]), positions, residentFrom, offloaded);
        });
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void anyPartOfABlockIsCopied(Kind kind) {
        parts().forEach(part -> {
            int common = 5 * BLOCK + part;
            try (KvCache cache = open(kind)) {
                leave(cache, 7 * BLOCK, common, 1);
                long blocks = deviceBlocks(cache);
                PrefixRequest request = PrefixRequest.of(tokens(60, common, 2));
                assertEquals(common, cache.cachedTokens(request));
                assertEquals(blocks, deviceBlocks(cache), "asking changes nothing");
                try (KvSequence second = cache.openSequence(request)) {
                    assertEquals(common, second.length(), "tokens that are not computed again");
                    if (kind.cache() == CacheName.PAGED) {
                        assertEquals(part == 0 ? 0 : SPAN_BLOCKS, deviceBlocks(cache) - blocks, "a copied block");
                    }
                    if (!kind.approximates()) {
                        prompt(second, 60);
                    }
                    for (int i = second.length(); i < 80; i++) {
                        token(second, kind, cache.config().placement());
                        assertEquals(List.of(), cache.audit());
                    }
                }
                assertEquals(7 * BLOCK - 1, cache.cachedTokens(PrefixRequest.of(tokens(7 * BLOCK, common, 1))));
                assertEquals(7 * BLOCK, cache.cachedTokens(PrefixRequest.of(tokens(57, common, 2))), "left behind");
            }
        });
    }

    private static long deviceBlocks(KvCache cache) {
        return cache.ledger().usedBytes(Tier.DEVICE) / GEOMETRY.blockBytes();
    }

    @Test
    void theLongestOfTheNewestIsCopied() {
        try (KvCache cache = KvCache.open(
                builder(kinds().findFirst().orElseThrow()).maxSequences(12).build())) {
            leave(cache, 3 * BLOCK, BLOCK + 3, 1);
            leave(cache, 3 * BLOCK, BLOCK + 6, 2);
            leave(cache, 3 * BLOCK, BLOCK + 5, 3);
            PrefixRequest request = PrefixRequest.of(tokens(TOKENS, BLOCK + 7, 9));
            assertEquals(BLOCK + 6, cache.cachedTokens(request));
            for (int i = 0; i < SpanTree.MOST_COMPARED - 1; i++) {
                assertEquals(BLOCK + 6, cache.cachedTokens(request), i + " others are newer");
                leave(cache, 2 * BLOCK, BLOCK + 1, 10 + i);
            }
            assertEquals(BLOCK + 5, cache.cachedTokens(request));
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void theFirstBlockIsCopiedWithinATenant(Kind kind) {
        try (KvCache cache = open(kind)) {
            PrefixRequest mine = PrefixRequest.of(tokens(2 * BLOCK, 5, 1)).tenant("a");
            leave(cache, mine, 5);
            PrefixRequest request = PrefixRequest.of(tokens(2 * BLOCK, 5, 2));
            assertEquals(5, cache.cachedTokens(request.tenant("a")));
            assertEquals(0, cache.cachedTokens(request.tenant("b")));
            assertEquals(0, cache.cachedTokens(request));
            assertEquals(0, cache.cachedTokens(request.tenant("a").adapter("lora")));
            assertEquals(0, cache.cachedTokens(PrefixRequest.of(0).tenant("a")), "one token is computed");
            assertEquals(1, cache.cachedTokens(PrefixRequest.of(0, 1).tenant("a")));
            try (KvSequence sequence = cache.openSequence(request.tenant("a"))) {
                assertEquals(5, sequence.length());
                for (int i = 5; i < 60; i++) {
                    token(sequence, kind, cache.config().placement());
                }
                assertEquals(List.of(), cache.audit());
            }
        }
    }

    @Test
    void whatAStrangerHasBehindThePartIsNotRead() {
        Kind paged = kinds().findFirst().orElseThrow();
        for (CacheName name : List.of(CacheName.PAGED, CacheName.KCACHE)) {
            try (KvCache cache = open(new Kind(name, Compensation.NONE));
                    Arena arena = Arena.ofShared()) {
                try (KvSequence poisoned = cache.openSequence(PrefixRequest.of(tokens(2 * BLOCK, 3, 1)))) {
                    engine.prompt(poisoned, 3, (layer, alive, row) -> null);
                    int rows = 2 * BLOCK - 3;
                    MemorySegment nan = arena.allocate(4L * rows * GEOMETRY.queryRowElements());
                    for (long i = 0; i < nan.byteSize() / 4; i++) {
                        nan.setAtIndex(ValueLayout.JAVA_FLOAT, i, Float.NaN);
                    }
                    poisoned.beginPrompt(rows);
                    for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                        poisoned.attendPrompt(layer, rows, nan, nan, nan, arena.allocate(nan.byteSize()));
                    }
                    poisoned.commit();
                }
                try (KvSequence sequence = cache.openSequence(PrefixRequest.of(tokens(2 * BLOCK, 3, 2)))) {
                    assertEquals(3, sequence.length());
                    for (int i = 3; i < 30; i++) {
                        token(sequence, paged, cache.config().placement());
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void theCopyOutlivesItsSource(Kind kind) {
        try (KvCache cache = KvCache.open(builder(kind).maxSequences(2).build())) {
            leave(cache, TOKENS, 44, 1);
            PrefixRequest source = PrefixRequest.of(tokens(TOKENS, 44, 1));
            try (KvSequence second = cache.openSequence(PrefixRequest.of(tokens(60, 44, 2)))) {
                assertEquals(44, second.length());
                leave(cache, TOKENS, 0, 3);
                leave(cache, TOKENS, 0, 4);
                assertEquals(44 / BLOCK * BLOCK, cache.cachedTokens(source), "the rest had to go");
                for (int i = 44; i < 80; i++) {
                    token(second, kind, cache.config().placement());
                }
                assertEquals(List.of(), cache.audit());
            }
        }
    }

    /** One sequence fills the cache. */
    @Test
    void withoutMemoryForTheCopyTheFullBlocksAreShared() {
        Kind paged = kinds().findFirst().orElseThrow();
        for (int part : new int[] {4, 12}) {
            try (KvCache cache = KvCache.open(builder(paged).maxSequences(1).build())) {
                int common = TOKENS - part;
                leave(cache, TOKENS, common, 1);
                try (KvSequence second = cache.openSequence(PrefixRequest.of(tokens(TOKENS, common, 2)))) {
                    int length = part < BLOCK ? TOKENS - BLOCK : common; // the last block makes way for one
                    assertEquals(length, second.length());
                    prompt(second, TOKENS);
                    assertEquals(List.of(), cache.audit());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void forksCutsAndSuspensionsBehindIt(Kind kind) {
        SplittableRandom random = new SplittableRandom(3);
        try (KvCache cache = KvCache.open(builder(kind).hostBytes(4 << 20).build())) {
            leave(cache, 48, 36, 1);
            for (int round = 0; round < lives(); round++) {
                PrefixRequest request = PrefixRequest.of(tokens(70, 36, 2 + round));
                KvSequence second = cache.openSequence(request);
                assertEquals(36, second.length());
                KvSequence other = second.fork();
                for (int i = 0; i < 20; i++) {
                    KvSequence one = random.nextBoolean() ? second : other;
                    switch (random.nextInt(6)) {
                        case 0 -> one.truncate(Math.max(1, one.length() - random.nextInt(12)));
                        case 1 -> {
                            one.suspend();
                            one.resume();
                        }
                        default -> token(one, kind, cache.config().placement());
                    }
                    assertEquals(List.of(), cache.audit());
                }
                second.close();
                other.close();
                assertEquals(List.of(), cache.audit());
            }
            assertTrue(cache.cachedTokens(PrefixRequest.of(tokens(48, 36, 1))) >= 36);
        }
    }

    @Test
    void prunedChunksAreSharedWhole() {
        KvCacheConfig config = builder(new Kind(CacheName.PYRAMID, Compensation.NONE))
                .set("retention", "chunks(1/.3/.5,size=16,queries=6,sinks=2,pool=3)")
                .build();
        try (KvCache cache = KvCache.open(config)) {
            int[] ids = tokens(64, 64, 0);
            leave(cache, PrefixRequest.of(ids), 40);
            assertEquals(48, cache.cachedTokens(PrefixRequest.of(ids)));
            assertEquals(32, cache.cachedTokens(PrefixRequest.of(Arrays.copyOf(ids, 45))));
        }
    }
}
