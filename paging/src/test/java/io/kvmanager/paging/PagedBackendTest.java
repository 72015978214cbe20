package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.FetchReport;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvCacheException.SequenceTooLong;
import io.kvmanager.KvCacheException.TooManySequences;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger.Account;
import io.kvmanager.PageTables;
import io.kvmanager.PrefixCaching;
import io.kvmanager.PrefixRequest;
import io.kvmanager.StepBatch;
import io.kvmanager.Tier;
import io.kvmanager.TierBytes;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** The protocol of a cache on blocks, by number: 2 layers, blocks of 4 tokens and 64 bytes. */
class PagedBackendTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 2, 1, 4, 4, ElementType.F32);
    private static final long BLOCK_BYTES = 4 * 4 * 4;
    private static final int LIMIT = 40;
    private static final int BLOCKS = 60;
    private static final int HOMES = 60;

    private final PagedBackend backend = Backends.open(builder(CacheName.PAGED), BLOCKS, HOMES);
    private final EngineDouble engine = new EngineDouble(GEOMETRY, 5, LIMIT);

    private static KvCacheConfig.Builder builder(CacheName cache) {
        return KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain")
                .selection(new ValueSelection.TopN(1))
                .compensation(Compensation.NONE)
                .recentTokens(4)
                .sinkBlocks(1)
                .maxSequences(2)
                .maxSequenceTokens(LIMIT)
                .watermark(0);
    }

    @AfterEach
    void close() {
        assertFalse(backend.lock().isLocked(), "whoever took the lock has let it go");
        backend.close();
        assertFalse(backend.lock().isLocked());
        engine.close();
    }

    private static void assertRefused(String message, Executable use) {
        assertEquals(message, assertThrows(IllegalStateException.class, use).getMessage());
    }

    @Test
    void aBatchBeginsEveryStepOrNone() {
        KvSequence one = backend.openSequence();
        KvSequence two = backend.openSequence();
        StepBatch batch = new StepBatch();
        batch.token(one);
        batch.prompt(two, LIMIT + 1);
        assertThrows(SequenceTooLong.class, () -> backend.begin(batch));
        batch.clear();
        batch.token(one);
        batch.token(two);
        batch.token(one);
        assertEquals(
                "step 2 is of a sequence that has a step in the batch",
                assertThrows(IllegalArgumentException.class, () -> backend.begin(batch))
                        .getMessage());
        batch.clear();
        batch.prompt(one, 32);
        batch.prompt(two, 32);
        OutOfMemory shortage = assertThrows(OutOfMemory.class, () -> backend.begin(batch));
        assertEquals(new TierBytes(4 * BLOCK_BYTES, 0), shortage.deficit());
        try (PagedBackend other = Backends.open(builder(CacheName.PAGED).build())) {
            batch.clear();
            batch.token(other.openSequence());
            assertEquals(
                    "the sequence is not of this cache",
                    assertThrows(IllegalArgumentException.class, () -> backend.begin(batch))
                            .getMessage());
        }
        batch.clear();
        batch.prompt(one, 9);
        batch.token(two);
        backend.begin(batch);
        engine.begunPrompt(one, 9);
        engine.begunToken(two);
        assertEquals(9, one.length());
        assertEquals(9, one.retained(1));
        assertArrayEquals(IntStream.range(0, 9).toArray(), one.positions(1));
        for (int i = 0; i < 12; i++) {
            engine.token(one);
            engine.token(two);
            assertEquals(List.of(), backend.audit());
        }
        assertThrows(TooManySequences.class, backend::openSequence);
        assertThrows(TooManySequences.class, one::fork);
        assertEquals(new Admission.Wait(TierBytes.NONE, 1), backend.admit(4, 0));
        two.close();
        assertEquals(new Admission.Admit(), backend.admit(4, 0));
    }

    @Test
    void aForkGoesOnAlone() {
        KvSequence parent = backend.openSequence();
        engine.prompt(parent, 10);
        KvSequence child = parent.fork();
        assertEquals(10, child.length());
        for (int i = 0; i < 7; i++) {
            engine.token(child);
            assertEquals(List.of(), backend.audit());
        }
        parent.truncate(5);
        assertEquals(5, parent.length());
        engine.prompt(
                parent,
                3,
                (layer, alive, row) -> engine.reference()
                        .attend(
                                layer,
                                engine.query(layer, alive[row]),
                                IntStream.rangeClosed(0, alive[row]).toArray()));
        engine.token(parent);
        engine.token(child);
        assertEquals(9, parent.length());
        assertEquals(18, child.length());
        assertEquals(
                "truncate to 10 tokens; accepted: 0 to 9",
                assertThrows(IllegalArgumentException.class, () -> parent.truncate(10))
                        .getMessage());
        assertThrows(IllegalArgumentException.class, () -> parent.truncate(-1));
        parent.truncate(9);
        parent.truncate(0);
        assertEquals(0, parent.deviceBytes());
        engine.prompt(parent, 6);
    }

    private void assertAccounts(int sealed, int open) {
        assertEquals(sealed, backend.pool().blocksIn(Account.SEALED));
        assertEquals(open, backend.pool().blocksIn(Account.OPEN));
    }

    @Test
    void fullBlocksAreSealed() {
        KvSequence sequence = backend.openSequence();
        engine.prompt(sequence, 10);
        assertAccounts(8, 4);
        engine.token(sequence);
        assertAccounts(8, 4);
        engine.token(sequence);
        assertAccounts(12, 0);
        sequence.truncate(9);
        assertAccounts(8, 4);
        sequence.suspend();
        assertAccounts(0, 0);
        sequence.resume();
        assertAccounts(8, 4);
    }

    @Test
    void whoWritesFirstCopies() {
        KvSequence parent = backend.openSequence();
        engine.prompt(parent, 8);
        engine.token(parent);
        KvSequence child = parent.fork();
        assertEquals(12, backend.pool().usedBlocks());
        engine.token(parent);
        assertEquals(16, backend.pool().usedBlocks(), "K and V of the open block in both layers");
        engine.token(child);
        assertEquals(16, backend.pool().usedBlocks());
    }

    @Test
    void tablesAreOfWhatCanBeRead() {
        long beside = backend.memory().deviceBytes();
        KvSequence one = backend.openSequence();
        KvSequence two = backend.openSequence();
        engine.prompt(one, 10);
        engine.prompt(two, 4);
        PageTables tables = backend.pageTables(1, List.of(one, two));
        assertArrayEquals(new int[] {0, 3, 4}, tables.indptr());
        assertArrayEquals(new int[] {2, 4}, tables.lastPageLen());
        assertEquals(4, tables.keys().length);
        assertEquals(4, tables.values().length);
        assertEquals(16 * BLOCK_BYTES, backend.ledger().bytes(Tier.DEVICE, Account.OPEN) + 12 * BLOCK_BYTES);
        assertEquals(16 * BLOCK_BYTES, backend.memory().deviceBytes() - beside);
        two.truncate(0);
        String empty = "a sequence that is empty or suspended has no blocks to read";
        assertRefused(empty, () -> backend.pageTables(1, List.of(one, two)));
        one.suspend();
        assertThrows(IllegalStateException.class, () -> backend.pageTables(1, List.of(one)));
    }

    @Test
    void fetchesAreReportedByLayerAndTogether() {
        try (PagedBackend offloading = Backends.open(builder(CacheName.KCACHE), 100, 100)) {
            KvSequence sequence = offloading.openSequence();
            engine.prompt(sequence, 30, (layer, alive, row) -> null);
            assertEquals(0, sequence.fetchReport().attentions());
            for (int i = 0; i < 3; i++) {
                engine.token(sequence, (layer, positions) -> null);
            }
            assertEquals(3, sequence.fetchReport(1).attentions());
            assertEquals(6, sequence.fetchReport().attentions());
            assertEquals(2, sequence.headFetches(1).size());
            assertTrue(sequence.fetchReport(0).tilesMissed() > 0);
            assertEquals(
                    sequence.fetchReport(0).tilesMissed()
                            + sequence.fetchReport(1).tilesMissed(),
                    sequence.fetchReport().tilesMissed());
            assertEquals(2 * 7 * BLOCK_BYTES, sequence.fetchReport().bytesStored(), "8 settled, one of them a sink");
            engine.prompt(sequence, 3, (layer, alive, row) -> null);
            assertEquals(12, sequence.fetchReport().attentions(), "a later prompt runs as tokens do");
            sequence.truncate(33);
            long before = sequence.fetchReport().bytesFetched();
            sequence.truncate(32);
            assertEquals(before, sequence.fetchReport().bytesFetched(), "block 7 was there");
            sequence.truncate(20);
            assertEquals(before + 2 * BLOCK_BYTES, sequence.fetchReport().bytesFetched(), "block 4 is recent again");
            sequence.close();
            for (int i = 0; i < 2; i++) {
                KvSequence next = offloading.openSequence(); // one of them on the same tables
                assertEquals(FetchReport.NONE, next.fetchReport());
                assertEquals(0, next.headFetches(0).getFirst().tilesSelected());
            }
        }
    }

    @Test
    void aCapturedStepIsReplayed() {
        Backends.Recorder recorder = new Backends.Recorder();
        try (PagedBackend recording =
                Backends.recording(builder(CacheName.PAGED).build(), recorder)) {
            KvSequence sequence = recording.openSequence();
            MemorySegment row = MemorySegment.ofArray(new float[8]);
            sequence.beginToken();
            var step = sequence.capture(() -> {
                sequence.attend(0, row, row, row, row);
                sequence.attend(1, row, row, row, row);
            });
            assertEquals(0, sequence.fetchReport().attentions(), "recorded, and not run");
            assertRefused("commit after 0 of 2 layers", sequence::commit);
            step.replay();
            assertEquals(1, recorder.launched);
            assertRefused("layer 0 is out of order, 2 is next", step::replay);
            sequence.commit();
            assertEquals(1, sequence.fetchReport(0).attentions());
            assertEquals(1, sequence.fetchReport(1).attentions());
            assertRefused("attend without beginToken", step::replay);
            sequence.beginToken();
            step.replay();
            sequence.commit();
            assertEquals(2, sequence.length());
            step.close();
            assertEquals(1, recorder.closed);
            sequence.beginToken();
            assertRefused(
                    "commit after 1 of 2 layers", () -> sequence.capture(() -> sequence.attend(0, row, row, row, row)));
            assertEquals(1, recorder.closed);
            sequence.attend(0, row, row, row, row);
            sequence.attend(1, row, row, row, row);
            sequence.commit();
            assertEquals(6, sequence.fetchReport().attentions(), "counted again");
            sequence.close();
            assertEquals(2, recorder.closed, "with the sequence");
            assertFalse(recording.lock().isLocked());
        }
    }

    @Test
    void prefixesAreOnlyOfCachesThatKeepThem() {
        KvSequence sequence = backend.openSequence();
        assertThrows(UnsupportedOperationException.class, () -> backend.openSequence(PrefixRequest.of(1, 2)));
        assertThrows(UnsupportedOperationException.class, () -> backend.cachedTokens(PrefixRequest.of(1, 2)));
        assertEquals(
                "the sequence was opened without a request",
                assertThrows(UnsupportedOperationException.class, () -> sequence.name(1))
                        .getMessage());
        KvCacheConfig.Builder keeps = builder(CacheName.PAGED).prefixes(new PrefixCaching("lru", "model"));
        try (PagedBackend keeping = Backends.open(keeps, 20, 0)) {
            KvSequence named = keeping.openSequence(PrefixRequest.of(1, 2));
            named.name(3, 4, 5);
            engine.prompt(named, 6);
            assertEquals(4, keeping.cachedTokens(PrefixRequest.of(1, 2, 3, 4, 5, 6)));
            assertFalse(keeping.lock().isLocked());
            KvSequence none = keeping.openSequence();
            assertThrows(UnsupportedOperationException.class, () -> none.name(1));
            keeping.close();
            assertThrows(IllegalStateException.class, () -> keeping.cachedTokens(PrefixRequest.of(1, 2)));
            assertThrows(IllegalStateException.class, () -> keeping.openSequence(PrefixRequest.of(1, 2)));
            assertThrows(IllegalStateException.class, () -> named.name(1));
        }
    }

    @Test
    void nothingGoesOnBehindTheEnd() {
        KvSequence sequence = backend.openSequence();
        KvSequence other = backend.openSequence();
        engine.prompt(other, 5);
        sequence.close();
        List<Executable> uses = List.of(
                sequence::length,
                () -> sequence.retained(0),
                () -> sequence.positions(0),
                sequence::fetchReport,
                () -> sequence.fetchReport(0),
                () -> sequence.headFetches(0),
                () -> sequence.beginPrompt(2),
                sequence::beginToken,
                sequence::commit,
                sequence::fork,
                () -> sequence.truncate(0),
                sequence::suspend,
                sequence::resume,
                sequence::suspended,
                sequence::deviceBytes,
                () -> sequence.name(1),
                () -> backend.admit(sequence),
                () -> backend.pageTables(0, List.of(sequence)),
                sequence::close);
        uses.forEach(use -> assertRefused("the sequence is closed", use));
        backend.synchronize();
        assertTrue(backend.deviceDescription().startsWith("host, plain kernels, "), backend.deviceDescription());
        assertEquals(backend.device().stream(), backend.stream());
        MemorySegment slab = backend.pageTables(0, List.of(other)).slab();
        backend.close();
        backend.close();
        assertThrows(IllegalStateException.class, () -> slab.get(ValueLayout.JAVA_INT, 0), "the device is closed");
        assertThrows(IllegalStateException.class, () -> backend.tier().references(0));
        assertRefused("the sequence is closed", other::length);
        uses = List.of(
                backend::openSequence,
                () -> backend.admit(1, 1),
                () -> backend.admit(other),
                () -> backend.begin(new StepBatch()),
                () -> backend.pageTables(0, List.of()));
        uses.forEach(use -> assertRefused("the cache is closed", use));
    }

    @Test
    void wrongRowsAreRefused() {
        MisusedRows.requireRefused(backend.openSequence(), GEOMETRY);
    }

    @Test
    void homesOfABatchAreCountedTogether() {
        try (PagedBackend offloading = Backends.open(builder(CacheName.KCACHE), 100, 3)) {
            KvSequence one = offloading.openSequence();
            KvSequence two = offloading.openSequence();
            StepBatch batch = new StepBatch();
            batch.prompt(one, 8);
            batch.prompt(two, 8);
            OutOfMemory shortage = assertThrows(OutOfMemory.class, () -> offloading.begin(batch));
            assertEquals(new TierBytes(0, BLOCK_BYTES), shortage.deficit(), "one block beside the sink in each layer");
        }
    }
}
