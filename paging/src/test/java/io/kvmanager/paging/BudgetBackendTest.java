package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.FetchReport;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvCacheException.SequenceTooLong;
import io.kvmanager.KvCacheException.TooManySequences;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger.Account;
import io.kvmanager.StepBatch;
import io.kvmanager.Tier;
import io.kvmanager.TierBytes;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.testing.EngineDouble;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Memory and protocol of the caches under a budget, to the block: 2 layers, blocks of 8 tokens and 512 bytes. */
class BudgetBackendTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 2, 8, 8, ElementType.F32);
    private static final long BLOCK_BYTES = 2 * 8 * 8 * 4;
    private static final int LIMIT = 40;
    private static final Admission ADMIT = new Admission.Admit();

    private final EngineDouble engine = new EngineDouble(GEOMETRY, 5, LIMIT);

    @AfterEach
    void close() {
        engine.close();
    }

    private static KvCacheConfig.Builder builder(String retention) {
        return KvCacheConfig.builder(CacheName.parse(retention.substring(0, retention.indexOf('('))), GEOMETRY)
                .device("host:plain")
                .set("retention", retention)
                .maxSequences(2)
                .promptTokens(20)
                .maxSequenceTokens(LIMIT)
                .watermark(0);
    }

    private static BudgetBackend open(KvCacheConfig config) {
        return new BudgetBackend(config, new BudgetPlan(config), ProviderSelection.device("host:plain"));
    }

    /** A cache of so many blocks, be they enough for a sequence or not. */
    private static BudgetBackend open(String retention, double watermark, int blocks) {
        KvCacheConfig.Builder builder = builder(retention).watermark(watermark);
        BudgetPlan plan = new BudgetPlan(builder.build());
        long beside = plan.memoryPlan().tableBytes() + plan.memoryPlan().workspaceBytes();
        return open(builder.deviceBytes(beside + blocks * BLOCK_BYTES).build());
    }

    private void prompt(KvSequence sequence, int tokens) {
        engine.prompt(sequence, tokens, (layer, alive, row) -> null);
    }

    private void token(KvSequence sequence) {
        engine.token(sequence, (layer, positions) -> null);
    }

    @Test
    void whatAnEmptyCacheDoesNotHoldIsNever() {
        try (BudgetBackend backend = open("snapkv(budget=16,window=8)", 0, 16)) {
            assertEquals(ADMIT, backend.admit(40, 0), "10 for the last layer, 4 for that before it");
            assertEquals(ADMIT, backend.admit(20, 16), "4 blocks in each");
            assertEquals(ADMIT, backend.admit(1, 31));
            assertEquals(
                    new Admission.Never("1 prompt and 32 new tokens take 10240 bytes of device memory,"
                            + " an empty cache has 8192; raise deviceBytes"),
                    backend.admit(1, 32));
            assertEquals(new Admission.Never("41 tokens exceed maxSequenceTokens 40; raise it"), backend.admit(20, 21));
            assertThrows(IllegalArgumentException.class, () -> backend.admit(0, 1));
        }
    }

    @Test
    void whoWaitsIsToldForHowMuch() {
        try (BudgetBackend backend = open("snapkv(budget=16,window=8)", .2, 24)) {
            assertEquals(ADMIT, backend.admit(40, 0), "an empty device needs no watermark");
            KvSequence one = backend.openSequence();
            prompt(one, 16);
            assertEquals(8 * BLOCK_BYTES, one.deviceBytes());
            assertEquals(ADMIT, backend.admit(24, 0), "10 of 16, and 5 for the watermark");
            assertEquals(new Admission.Wait(new TierBytes(3 * BLOCK_BYTES, 0), 0), backend.admit(40, 0));
            assertThrows(IllegalStateException.class, () -> backend.admit(one));
            KvSequence two = backend.openSequence();
            assertEquals(new Admission.Wait(TierBytes.NONE, 1), backend.admit(24, 0));
            assertThrows(TooManySequences.class, backend::openSequence);
            assertThrows(TooManySequences.class, one::fork);
            two.close();
            one.close();
            assertEquals(ADMIT, backend.admit(40, 0));
        }
    }

    @Test
    void theBooksSayWhereEverythingIs() {
        try (BudgetBackend backend = open("h2o(budget=16,recent=.5)", 0, 30)) {
            long beside = backend.memory().deviceBytes();
            assertEquals(backend.memory().deviceBytesAllocated() - 30 * BLOCK_BYTES, beside);
            KvSequence sequence = backend.openSequence();
            prompt(sequence, 20);
            assertEquals(2 * 4 * BLOCK_BYTES, backend.ledger().bytes(Tier.DEVICE, Account.OPEN));
            assertEquals(2 * BLOCK_BYTES, backend.ledger().bytes(Tier.DEVICE, Account.SUMMARY));
            assertEquals(20 * BLOCK_BYTES, backend.ledger().bytes(Tier.DEVICE, Account.FREE));
            assertEquals(30 * BLOCK_BYTES, backend.ledger().capacityBytes(Tier.DEVICE));
            assertEquals(beside + 10 * BLOCK_BYTES, backend.memory().deviceBytes());
            assertEquals(beside + 12 * BLOCK_BYTES, backend.memory().deviceBytesPeak());
            assertEquals(0, backend.memory().hostBytes());
            assertEquals(0, backend.memory().hostBytesPeak());
            assertEquals(List.of(), backend.audit());
            sequence.close();
            assertEquals(beside, backend.memory().deviceBytes());
            assertEquals(List.of(), backend.audit());
            Reservation stray = backend.newReservation();
            stray.begin(1, 0);
            stray.zeroed(Account.OPEN);
            assertEquals(1, backend.audit().size(), "no sequence has it");
        }
    }

    @Test
    void aShortageChangesNothing() {
        try (BudgetBackend backend = open("tova(budget=.5)", 0, 20)) {
            KvSequence one = backend.openSequence();
            prompt(one, 30);
            assertEquals(2 * 2 * 2 * BLOCK_BYTES, one.deviceBytes(), "15 tokens in each layer");
            KvSequence two = backend.openSequence();
            OutOfMemory shortage = assertThrows(OutOfMemory.class, () -> two.beginPrompt(40));
            assertEquals(new TierBytes(4 * BLOCK_BYTES, 0), shortage.deficit(), "10 and 6 of 12");
            prompt(two, 24);
            token(two);
            two.close();
            assertEquals(List.of(), backend.audit());
        }
        try (BudgetBackend backend = open("tova(budget=.5)", 0, 14)) {
            KvSequence one = backend.openSequence();
            prompt(one, 30);
            assertEquals(
                    new TierBytes(2 * BLOCK_BYTES, 0),
                    assertThrows(OutOfMemory.class, one::fork).deficit());
            KvSequence two = backend.openSequence(); // on the tables that the fork had
            prompt(two, 8);
        }
    }

    @Test
    void aBatchBeginsEveryStepOrNone() {
        try (BudgetBackend backend = open("snapkv(budget=16,window=8)", 0, 20)) {
            KvSequence one = backend.openSequence();
            KvSequence two = backend.openSequence();
            StepBatch batch = new StepBatch();
            batch.token(one);
            batch.prompt(two, 41);
            assertThrows(SequenceTooLong.class, () -> backend.begin(batch));
            batch.clear();
            batch.token(one);
            batch.token(one);
            assertEquals(
                    "step 1 is of a sequence that has a step in the batch",
                    assertThrows(IllegalArgumentException.class, () -> backend.begin(batch))
                            .getMessage());
            batch.clear();
            batch.prompt(one, 32);
            batch.prompt(two, 32);
            assertEquals(
                    new TierBytes(4 * BLOCK_BYTES, 0),
                    assertThrows(OutOfMemory.class, () -> backend.begin(batch)).deficit());
            try (BudgetBackend other = open("snapkv(budget=16,window=8)", 0, 20)) {
                batch.clear();
                batch.token(other.openSequence());
                assertThrows(IllegalArgumentException.class, () -> backend.begin(batch));
            }
            batch.clear();
            batch.prompt(one, 9);
            batch.token(two);
            backend.begin(batch);
            engine.begunPrompt(one, 9);
            engine.begunToken(two);
            assertEquals(9, one.length());
            assertArrayEquals(IntStream.range(0, 9).toArray(), one.positions(1));
            assertEquals(List.of(), backend.audit());
        }
    }

    @Test
    void misuseIsNamed() {
        try (BudgetBackend backend = open(builder("tova(budget=12)").build())) {
            KvSequence sequence = backend.openSequence();
            assertEquals(
                    "a prompt of 0 tokens; accepted: 1 or more",
                    assertThrows(IllegalArgumentException.class, () -> sequence.beginPrompt(0))
                            .getMessage());
            prompt(sequence, 39);
            assertEquals(12, sequence.retained(1));
            token(sequence);
            assertEquals(12, sequence.retained(1));
            assertEquals(
                    new SequenceTooLong(41, LIMIT).getMessage(),
                    assertThrows(SequenceTooLong.class, sequence::beginToken).getMessage());
            assertEquals(
                    "truncate to 41 tokens; accepted: 0 to 40",
                    assertThrows(IllegalArgumentException.class, () -> sequence.truncate(41))
                            .getMessage());
            assertThrows(IllegalArgumentException.class, () -> sequence.truncate(-1));
            assertEquals(
                    "truncate to 39 tokens: tova evicted tokens up to length 40 and cannot bring them back;"
                            + " accepted: 0, or 40 to 40",
                    assertThrows(UnsupportedOperationException.class, () -> sequence.truncate(39))
                            .getMessage());
            sequence.truncate(40);
            KvSequence fork = sequence.fork();
            assertThrows(UnsupportedOperationException.class, () -> fork.truncate(39));
            fork.truncate(0);
            prompt(fork, 5);
            fork.truncate(3);
            assertArrayEquals(new int[] {0, 1, 2}, fork.positions(0));
            fork.beginPrompt(4);
            assertThrows(IllegalStateException.class, () -> fork.truncate(1));
            assertThrows(IllegalStateException.class, fork::fork);
            assertThrows(IllegalStateException.class, fork::beginToken);
        }
    }

    @Test
    void nothingGoesOnBehindTheEnd() {
        BudgetBackend backend = open(builder("tova(budget=12)").build());
        KvSequence closed = backend.openSequence();
        KvSequence open = backend.openSequence();
        closed.close();
        assertThrows(IllegalStateException.class, closed::length);
        assertThrows(IllegalStateException.class, () -> closed.retained(0));
        assertThrows(IllegalStateException.class, () -> closed.positions(0));
        assertThrows(IllegalStateException.class, () -> ((BudgetSequence) closed).positions(0, 0));
        assertThrows(IllegalStateException.class, closed::deviceBytes);
        assertThrows(IllegalStateException.class, closed::fetchReport);
        assertThrows(IllegalStateException.class, closed::beginToken);
        assertThrows(IllegalStateException.class, closed::fork);
        assertThrows(IllegalStateException.class, () -> closed.truncate(0));
        assertThrows(IllegalStateException.class, closed::close);
        backend.close();
        backend.close();
        assertThrows(IllegalStateException.class, open::length);
        assertThrows(IllegalStateException.class, backend::openSequence);
        assertThrows(IllegalStateException.class, () -> backend.admit(1, 1));
        assertThrows(IllegalStateException.class, () -> backend.begin(new StepBatch()));
    }

    @Test
    void questSaysWhatItReads() {
        try (BudgetBackend backend = open(builder("quest(budget=16,full=1)").build())) {
            KvSequence sequence = backend.openSequence();
            prompt(sequence, 31);
            assertEquals(0, sequence.fetchReport().attentions());
            token(sequence);
            token(sequence);
            FetchReport report = sequence.fetchReport();
            assertEquals(4, report.attentions());
            assertEquals(2 * (4 + 5) * 2, report.tiles());
            assertEquals(2 * (4 + 5) + 2 * (2 + 2), report.tilesHit());
            long bounds = 2 * 2 * 8 * 4;
            assertEquals(2 * (4 + 5 + 2 + 2) * BLOCK_BYTES + (3 + 4) * bounds, report.bytesFetched());
        }
    }

    @Test
    void questSaysWhatItMisses() {
        try (BudgetBackend backend = open(builder("quest(budget=16,full=1)").build());
                EngineDouble uniform = new EngineDouble(GEOMETRY, 5, LIMIT, 0)) {
            KvSequence sequence = backend.openSequence();
            uniform.prompt(sequence, 31, (layer, alive, row) -> null);
            assertEquals(0, sequence.fetchReport().missedMassMean());
            uniform.token(sequence, (layer, positions) -> null);
            uniform.token(sequence, (layer, positions) -> null);
            double first = 16 / 32.;
            double second = 24 / 33.; // the newest page has one token
            assertEquals((first + second) / 4, sequence.fetchReport().missedMassMean(), 1e-5);
            assertEquals(second, sequence.fetchReport().missedMassMax(), 1e-5);
        }
    }

    @Test
    void ofEqualOnesTheOldestGoes() {
        try (BudgetBackend backend = open(builder("tova(budget=4)").build());
                EngineDouble uniform = new EngineDouble(GEOMETRY, 5, LIMIT, 0)) {
            KvSequence sequence = backend.openSequence();
            uniform.prompt(sequence, 4, (layer, alive, row) -> null);
            for (int i = 0; i < 7; i++) {
                uniform.token(sequence, (layer, positions) -> null);
            }
            assertArrayEquals(new int[] {7, 8, 9, 10}, sequence.positions(1));
        }
    }

    @Test
    void aStepThatIsDroppedGivesItsPromiseBack() {
        try (BudgetBackend backend = open("tova(budget=.5)", 0, 20)) {
            KvSequence dropped = backend.openSequence();
            dropped.beginPrompt(30);
            assertThrows(IllegalStateException.class, dropped::commit, "no layer was run");
            dropped.close();
            KvSequence next = backend.openSequence();
            prompt(next, 40);
            assertEquals(40, next.length());
        }
    }

    @Test
    void wrongRowsAreRefused() {
        try (BudgetBackend backend = open(builder("tova(budget=12)").build())) {
            MisusedRows.requireRefused(backend.openSequence(), GEOMETRY);
        }
    }

    @Test
    void theDeviceEndsWithTheCache() {
        KvCacheConfig config = builder("tova(budget=12)").build();
        Device device = ProviderSelection.device("host:plain");
        BudgetBackend owner = new BudgetBackend(config, new BudgetPlan(config), device);
        assertEquals(device.description(), owner.deviceDescription());
        MemorySegment memory = device.allocate(Tier.DEVICE, 8);
        owner.close();
        assertThrows(IllegalStateException.class, () -> memory.get(ValueLayout.JAVA_INT, 0));
    }
}
