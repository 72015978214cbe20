package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger.Account;
import io.kvmanager.PrefixCaching;
import io.kvmanager.PrefixRequest;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What cached prefixes hold, to the block: 2 layers, blocks of 4 tokens, chunks of 8 that layer 0 halves. */
class CachedSpansTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 2, 1, 4, 4, ElementType.F32);
    private static final long BLOCK_BYTES = 4 * 4 * 4;
    private static final int LIMIT = 40;
    private static final String CHUNKS = "chunks(.5/1,size=8,sinks=1,queries=2)";

    private final EngineDouble engine = new EngineDouble(GEOMETRY, 12, LIMIT);

    @AfterEach
    void close() {
        engine.close();
    }

    private static PagedBackend open(CacheName cache, String retention, int blocks, int homes) {
        return Backends.open(
                KvCacheConfig.builder(cache, GEOMETRY)
                        .device("host:plain")
                        .set("retention", retention)
                        .selection(new ValueSelection.TopN(64)) // everything is read
                        .compensation(Compensation.NONE)
                        .recentTokens(8)
                        .sinkBlocks(1)
                        .maxSequences(3)
                        .maxSequenceTokens(LIMIT)
                        .prefixes(new PrefixCaching("lru", "model")),
                blocks,
                homes);
    }

    /** Ids that are everybody's below {@code common}, and from there on those of {@code whose}. */
    private static int[] ids(int count, int common, int whose) {
        return IntStream.range(0, count)
                .map(i -> i < common ? i : 1000 * whose + i)
                .toArray();
    }

    private static PrefixRequest request(int count) {
        return PrefixRequest.of(ids(count, count, 0));
    }

    private KvSequence started(PagedBackend backend, int tokens) {
        KvSequence sequence = backend.openSequence(request(tokens));
        engine.prompt(sequence, tokens - sequence.length(), (layer, alive, row) -> null);
        return sequence;
    }

    private static void assertUsed(PagedBackend backend, int blocks, int homes) {
        long tileCache = backend.ledger().bytes(Tier.DEVICE, Account.TILE_CACHE);
        assertEquals(blocks, (backend.ledger().usedBytes(Tier.DEVICE) - tileCache) / BLOCK_BYTES);
        assertEquals(homes, backend.ledger().usedBytes(Tier.HOST) / BLOCK_BYTES);
        assertEquals(List.of(), backend.audit());
    }

    private static long availableBlocks(PagedBackend backend) {
        return backend.availability().now().device() / BLOCK_BYTES;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "PAGED; all; 24; 0; 23",
                "KCACHE; all; 14; 10; 23",
                "PYRAMID; " + CHUNKS + "; 18; 0; 16",
                "PYRAMID_KCACHE; " + CHUNKS + "; 11; 7; 16"
            })
    void spansHoldTheirBlocksAndNothingElse(CacheName cache, String retention, int blocks, int homes, int cached) {
        try (PagedBackend backend = open(cache, retention, 100, 40)) {
            started(backend, 24).close();
            assertUsed(backend, blocks, homes);
            assertEquals(100, availableBlocks(backend));
            assertEquals(40 * BLOCK_BYTES, backend.availability().now().host());
            assertEquals(cached, backend.cachedTokens(request(24)));
            assertUsed(backend, blocks, homes);
            try (KvSequence second = backend.openSequence(request(24))) {
                assertEquals(cached, second.length());
                assertEquals(List.of(), backend.audit());
                for (int i = cached; i < 35; i++) {
                    engine.token(second);
                    assertEquals(List.of(), backend.audit());
                }
            }
            assertUsed(backend, blocks, homes);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "PAGED; all; 24; 0",
                "KCACHE; all; 22; 10",
                "PYRAMID; " + CHUNKS + "; 20; 0",
                "PYRAMID_KCACHE; " + CHUNKS + "; 21; 7"
            })
    void whoComputesTheSameTakesWhatIsCached(CacheName cache, String retention, int blocks, int homes) {
        try (PagedBackend backend = open(cache, retention, 100, 40);
                KvSequence one = backend.openSequence(request(24));
                KvSequence two = backend.openSequence(request(24))) {
            engine.prompt(one, 24, (layer, alive, row) -> null);
            engine.prompt(two, 24, (layer, alive, row) -> null);
            assertUsed(backend, blocks, homes);
            for (int i = 0; i < 10; i++) {
                engine.token(one);
                engine.token(two);
                assertEquals(List.of(), backend.audit());
            }
        }
    }

    @Test
    void spansGiveWayFromTheirEnd() {
        try (PagedBackend backend = open(CacheName.PAGED, "all", 40, 0)) {
            started(backend, 24).close();
            Reservation reservation = Backends.reservation(backend);
            reservation.begin(16, 0);
            assertEquals(23, backend.cachedTokens(request(24)), "there was enough");
            reservation.end();
            assertThrows(OutOfMemory.class, () -> reservation.begin(41, 0));
            assertEquals(23, backend.cachedTokens(request(24)), "nothing goes in vain");
            reservation.begin(32, 0);
            assertUsed(backend, 2 * 4, 0);
            assertEquals(8, backend.cachedTokens(request(24)));
            reservation.end();
            KvSequence pinning = backend.openSequence(request(9));
            assertEquals(8, pinning.length());
            assertEquals(32, availableBlocks(backend));
            assertThrows(OutOfMemory.class, () -> reservation.begin(33, 0));
            pinning.close();
            reservation.begin(40, 0);
            assertUsed(backend, 0, 0);
            assertEquals(0, backend.cachedTokens(request(24)));
        }
    }

    @Test
    void homesOfSpansGiveWayToo() {
        try (PagedBackend backend = open(CacheName.KCACHE, "all", 100, 12)) {
            started(backend, 24).close();
            Reservation reservation = Backends.reservation(backend);
            reservation.begin(0, 5);
            assertUsed(backend, 4 * 2 + 2, 6);
            assertEquals(16, backend.cachedTokens(request(24)));
            reservation.end();
            reservation.begin(0, 12);
            assertEquals(4, backend.cachedTokens(request(24)), "the sinks have no home");
            assertUsed(backend, 4, 0);
        }
    }

    @Test
    void aTokenIsLeftToCompute() {
        try (PagedBackend backend = open(CacheName.PAGED, "all", 40, 0)) {
            started(backend, 24).close();
            assertEquals(22, backend.cachedTokens(request(23)));
            assertEquals(20, backend.cachedTokens(request(21)));
            assertEquals(19, backend.cachedTokens(request(20)));
            assertEquals(0, backend.cachedTokens(request(1)));
        }
    }

    @Test
    void theSameTokensBehindOtherOnesAreOthers() {
        try (PagedBackend backend = open(CacheName.PAGED, "all", 100, 0)) {
            started(backend, 12).close();
            assertUsed(backend, 3 * 4, 0);
            assertEquals(4, backend.cachedTokens(PrefixRequest.of(0, 1, 2, 3, 0, 1, 2, 3, 4)));
            PrefixRequest another = PrefixRequest.of(0, 1, 2, 3, 104, 105, 106, 107, 8, 9, 10, 11);
            try (KvSequence sequence = backend.openSequence(another)) {
                assertEquals(4, sequence.length());
                engine.prompt(sequence, 8, (layer, alive, row) -> null);
            }
            assertUsed(backend, 5 * 4, 0);
        }
    }

    @Test
    void whatIsCutOffIsLetGo() {
        try (PagedBackend backend = open(CacheName.PAGED, "all", 40, 0)) {
            KvSequence sequence = started(backend, 24);
            assertEquals(16, availableBlocks(backend));
            sequence.truncate(10);
            assertEquals(28, availableBlocks(backend), "3 blocks of 4, and what nobody has");
            sequence.truncate(8);
            int[] others = ids(17, 8, 1);
            for (int i = 8; i < 16; i++) {
                engine.token(sequence);
                sequence.name(others[i]);
            }
            engine.token(sequence);
            assertEquals(16, backend.cachedTokens(PrefixRequest.of(others)));
            assertEquals(23, backend.cachedTokens(request(24)), "and those from before");
            assertEquals(List.of(), backend.audit());
            sequence.close();
            Backends.reservation(backend).begin(40, 0);
            assertUsed(backend, 0, 0);
        }
    }

    @Test
    void aCutThroughAPrunedChunkEndsWhatIsShared() {
        for (int cut : new int[] {12, 16, 26}) {
            try (PagedBackend backend = open(CacheName.PYRAMID, CHUNKS, 100, 0);
                    KvSequence sequence = started(backend, 24)) {
                for (int i = 24; i < 27; i++) {
                    engine.token(sequence);
                    sequence.name(i);
                }
                sequence.truncate(cut);
                int[] others = ids(34, cut, 1);
                for (int i = cut; i < 33; i++) {
                    engine.token(sequence);
                    sequence.name(others[i]);
                }
                engine.token(sequence);
                assertEquals(cut == 12 ? 8 : 32, backend.cachedTokens(PrefixRequest.of(others)));
                assertEquals(List.of(), backend.audit());
            }
        }
    }

    @Test
    void aSuspendedSequencePinsNothing() {
        try (PagedBackend backend = open(CacheName.PAGED, "all", 40, 40);
                KvSequence sequence = started(backend, 24)) {
            assertEquals(24 * BLOCK_BYTES, sequence.suspend());
            assertEquals(40, availableBlocks(backend));
            Reservation reservation = Backends.reservation(backend);
            reservation.begin(40, 0);
            reservation.end();
            assertUsed(backend, 0, 24);
            assertEquals(24 * BLOCK_BYTES, sequence.resume());
            assertUsed(backend, 24, 0);
            sequence.name(24, 25, 26, 27);
            for (int i = 0; i < 5; i++) {
                engine.token(sequence);
            }
            assertEquals(27, backend.cachedTokens(request(28)), "it leaves its tokens behind again");
            assertEquals(List.of(), backend.audit());
        }
    }

    @Test
    void whatIsStillCachedIsNotMovedTwice() {
        try (PagedBackend backend = open(CacheName.PAGED, "all", 60, 60);
                KvSequence sequence = started(backend, 24)) {
            sequence.suspend();
            assertUsed(backend, 24, 24);
            assertEquals(0, sequence.resume(), "all of it is in device memory still");
            assertUsed(backend, 24, 0);
        }
    }

    @Test
    void aForkLeavesItsOwnTokensBehind() {
        try (PagedBackend backend = open(CacheName.PAGED, "all", 100, 0)) {
            KvSequence parent = started(backend, 10);
            KvSequence child = parent.fork();
            parent.close();
            int[] mine = ids(17, 10, 3);
            for (int i = 10; i < 16; i++) {
                child.name(mine[i]);
                engine.token(child);
            }
            assertEquals(16, backend.cachedTokens(PrefixRequest.of(mine)));
            child.close();
            assertUsed(backend, 4 * 4, 0);
        }
    }
}
