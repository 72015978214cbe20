package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
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
import io.kvmanager.MemoryPlan;
import io.kvmanager.StepBatch;
import io.kvmanager.Tier;
import io.kvmanager.TierBytes;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.testing.EngineDouble;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Three regions of 20 tokens in 2 layers: 3 blocks of 512 bytes for each of K and V. */
class ContiguousBackendTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 2, 8, 8, ElementType.F32);
    private static final int LIMIT = 20;
    private static final long REGION = 2 * 2 * 3 * 512;

    private final KvCacheConfig config = builder().build();
    private final ContiguousBackend backend = new ContiguousBackend(config, ProviderSelection.device("host:plain"));
    private final EngineDouble engine = new EngineDouble(GEOMETRY, 5, LIMIT);

    private static KvCacheConfig.Builder builder() {
        return KvCacheConfig.builder(CacheName.FULL, GEOMETRY)
                .device("host:plain")
                .maxSequences(3)
                .promptTokens(12)
                .maxSequenceTokens(LIMIT);
    }

    @AfterEach
    void close() {
        backend.close();
        engine.close();
    }

    /** Runs rows of a prompt, each compared with attention over all tokens up to it. */
    private void prompt(KvSequence sequence, int tokens) {
        engine.prompt(
                sequence,
                tokens,
                (layer, alive, row) -> engine.reference()
                        .attend(
                                layer,
                                engine.query(layer, alive[row]),
                                IntStream.rangeClosed(0, alive[row]).toArray()));
    }

    @Test
    void everyRegionIsPlannedWhole() {
        MemoryPlan plan = ContiguousBackend.plan(config);
        assertEquals(36, plan.blocks());
        assertEquals(3 * REGION, plan.slabBytes());
        assertEquals(4 * 36 + 4 * 3, plan.tableBytes());
        assertEquals(12, plan.sequenceBlocksPeak());
        assertEquals(3, plan.sequences());
        assertEquals(List.of(12, 12), plan.retainedTokensPerLayer());
        assertEquals(plan.deviceBytes(), backend.memory().deviceBytesAllocated());
        assertEquals(plan.hostBytes(), backend.memory().hostBytesAllocated());
        KvCacheConfig.Builder exact = builder().deviceBytes(plan.deviceBytes());
        assertDoesNotThrow(() -> ContiguousBackend.requireOneSequence(exact.build()));
        assertDoesNotThrow(() -> ContiguousBackend.requireOneSequence(config), "no budget, no limit");
        exact.deviceBytes(plan.deviceBytes() - 1);
        OutOfMemory shortage =
                assertThrows(OutOfMemory.class, () -> ContiguousBackend.requireOneSequence(exact.build()));
        assertEquals(new TierBytes(1, 0), shortage.deficit());
    }

    @Test
    void regionsAreCountedWhole() {
        long beside = backend.memory().deviceBytes();
        assertEquals(backend.memory().deviceBytesAllocated() - 3 * REGION, beside);
        KvSequence one = backend.openSequence();
        KvSequence two = backend.openSequence();
        assertEquals(REGION, one.deviceBytes());
        assertEquals(2 * REGION, backend.ledger().bytes(Tier.DEVICE, Account.OPEN));
        assertEquals(REGION, backend.ledger().bytes(Tier.DEVICE, Account.FREE));
        assertEquals(3 * REGION, backend.ledger().capacityBytes(Tier.DEVICE));
        assertEquals(beside + 2 * REGION, backend.memory().deviceBytes());
        one.close();
        two.close();
        assertEquals(beside, backend.memory().deviceBytes());
        assertEquals(beside + 2 * REGION, backend.memory().deviceBytesPeak());
        assertEquals(0, backend.memory().hostBytes());
        assertEquals(List.of(), backend.audit());
    }

    @Test
    void whoComesWithoutARegionWaits() {
        Admission admit = new Admission.Admit();
        assertEquals(admit, backend.admit(12, 8));
        assertEquals(new Admission.Never("21 tokens exceed maxSequenceTokens 20; raise it"), backend.admit(12, 9));
        assertThrows(IllegalArgumentException.class, () -> backend.admit(0, 1));
        List<KvSequence> open = List.of(backend.openSequence(), backend.openSequence(), backend.openSequence());
        assertEquals(new Admission.Wait(new TierBytes(REGION, 0), 1), backend.admit(1, 0));
        assertThrows(TooManySequences.class, backend::openSequence);
        assertThrows(IllegalStateException.class, () -> backend.admit(open.get(1)));
        open.get(1).close();
        assertEquals(admit, backend.admit(1, 0));
        prompt(backend.openSequence(), 9);
    }

    @Test
    void promptsAndTokensSeeAllBeforeThem() {
        for (int region = 0; region < 3; region++) {
            KvSequence sequence = backend.openSequence();
            prompt(sequence, 6);
            prompt(sequence, 5);
            for (int i = 11; i < LIMIT; i++) {
                engine.token(sequence);
            }
            assertEquals(LIMIT, sequence.length());
            assertEquals(LIMIT, sequence.retained(1));
            assertArrayEquals(IntStream.range(0, LIMIT).toArray(), sequence.positions(1));
            assertEquals(
                    new SequenceTooLong(21, LIMIT).getMessage(),
                    assertThrows(SequenceTooLong.class, sequence::beginToken).getMessage());
            assertEquals(FetchReport.NONE, sequence.fetchReport());
        }
    }

    @Test
    void aForkIsACopyThatGoesOnAlone() {
        backend.openSequence();
        KvSequence parent = backend.openSequence();
        prompt(parent, 11);
        KvSequence child = parent.fork();
        assertEquals(11, child.length());
        engine.token(child);
        parent.truncate(3);
        prompt(parent, 2);
        assertEquals(5, parent.length());
        engine.token(child);
        assertEquals(13, child.length());
        assertThrows(TooManySequences.class, child::fork);
        assertThrows(IllegalArgumentException.class, () -> child.truncate(14));
        assertThrows(IllegalArgumentException.class, () -> child.truncate(-1));
        child.truncate(13);
        child.truncate(0);
        prompt(child, 12);
        child.beginToken();
        assertThrows(IllegalStateException.class, () -> child.truncate(1));
    }

    @Test
    void aBatchBeginsEveryStepOrNone() {
        KvSequence one = backend.openSequence();
        KvSequence two = backend.openSequence();
        StepBatch batch = new StepBatch();
        batch.token(one);
        batch.prompt(two, 21);
        assertThrows(SequenceTooLong.class, () -> backend.begin(batch));
        batch.clear();
        batch.token(one);
        batch.token(one);
        assertEquals(
                "step 1 is of a sequence that has a step in the batch",
                assertThrows(IllegalArgumentException.class, () -> backend.begin(batch))
                        .getMessage());
        try (ContiguousBackend other = new ContiguousBackend(config, ProviderSelection.device("host:plain"))) {
            batch.clear();
            batch.token(one);
            batch.token(other.openSequence());
            assertThrows(IllegalArgumentException.class, () -> backend.begin(batch));
        }
        batch.clear();
        batch.prompt(one, 7);
        batch.token(two);
        backend.begin(batch);
        engine.begunPrompt(one, 7);
        engine.begunToken(two);
        assertEquals(7, one.length());
        assertThrows(IllegalArgumentException.class, () -> one.beginPrompt(0));
    }

    @Test
    void whatAnotherSequenceLeftIsNotRead() {
        try (Arena arena = Arena.ofShared()) {
            KvSequence poisoned = backend.openSequence();
            MemorySegment nan = arena.allocate(4L * LIMIT * GEOMETRY.queryRowElements());
            for (long i = 0; i < nan.byteSize() / 4; i++) {
                nan.setAtIndex(ValueLayout.JAVA_FLOAT, i, Float.NaN);
            }
            poisoned.beginPrompt(LIMIT);
            for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                poisoned.attendPrompt(layer, LIMIT, nan, nan, nan, arena.allocate(nan.byteSize()));
            }
            poisoned.commit();
            poisoned.close();
        }
        KvSequence next = backend.openSequence();
        for (int i = 0; i < LIMIT; i++) {
            engine.token(next);
        }
    }

    @Test
    void nothingGoesOnBehindTheEnd() {
        KvSequence sequence = backend.openSequence();
        KvSequence closed = backend.openSequence();
        closed.close();
        assertThrows(IllegalStateException.class, closed::length);
        assertThrows(IllegalStateException.class, closed::deviceBytes);
        assertThrows(IllegalStateException.class, closed::beginToken);
        assertThrows(IllegalStateException.class, closed::fork);
        assertThrows(IllegalStateException.class, () -> closed.truncate(0));
        assertThrows(IllegalStateException.class, closed::close);
        backend.close();
        backend.close();
        assertThrows(IllegalStateException.class, sequence::length);
        assertThrows(IllegalStateException.class, backend::openSequence);
        assertThrows(IllegalStateException.class, () -> backend.admit(1, 1));
        assertThrows(IllegalStateException.class, () -> backend.begin(new StepBatch()));
    }

    @Test
    void wrongRowsAreRefused() {
        MisusedRows.requireRefused(backend.openSequence(), GEOMETRY);
    }

    @Test
    void theDeviceEndsWithTheCache() {
        Device device = ProviderSelection.device("host:plain");
        ContiguousBackend owner = new ContiguousBackend(config, device);
        assertEquals(device.description(), owner.deviceDescription());
        MemorySegment memory = device.allocate(Tier.DEVICE, 8);
        owner.close();
        assertThrows(IllegalStateException.class, () -> memory.get(ValueLayout.JAVA_INT, 0));
    }
}
