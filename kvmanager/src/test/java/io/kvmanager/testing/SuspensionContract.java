package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.Ledger.Account;
import io.kvmanager.StepBatch;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Suspended sequences, whatever the cache and the device. A subclass names the device. */
public abstract class SuspensionContract {
    private static final long SEED = 20261104;
    private static final Set<CacheName> SUSPENDABLE = EnumSet.range(CacheName.PAGED, CacheName.PYRAMID_KCACHE);
    private static final CacheGeometry GEOMETRY = new CacheGeometry(4, 6, 2, 32, 16, ElementType.BF16);

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    /** The device to run on, as a user writes it. */
    protected abstract String device();

    private KvCacheConfig.Builder builder(CacheName cache, CacheGeometry geometry) {
        return KvCacheConfig.builder(cache, geometry)
                .device(device())
                .maxSequences(3)
                .maxSequenceTokens(200)
                .selection(new ValueSelection.TopN(64))
                .recentTokens(20)
                .hostBytes(400L * geometry.blockBytes());
    }

    private KvCacheConfig config(KvCacheContract.Case testCase) {
        Compensation compensation = testCase.retention().equals("half") ? Compensation.MEAN : Compensation.INT4;
        KvCacheConfig.Builder builder =
                builder(testCase.cache(), testCase.geometry()).compensation(compensation);
        if (!testCase.retention().isEmpty()) {
            builder.set("retention", testCase.retention());
        }
        return builder.build();
    }

    static Stream<KvCacheContract.Case> pagedCases() {
        String chunks = "chunks(1/.3/.5/.2,size=80,queries=8)";
        return Stream.concat(
                KvCacheContract.cases().filter(testCase -> SUSPENDABLE.contains(testCase.cache())),
                Stream.of(new KvCacheContract.Case(chunks, CacheName.PYRAMID_KCACHE, GEOMETRY, chunks)));
    }

    private static long suspendedBytes(KvCache cache) {
        return cache.ledger().bytes(Tier.HOST, Account.SUSPENDED);
    }

    @ParameterizedTest
    @MethodSource("pagedCases")
    void aResumedSequenceIsAsIfNeverSuspended(KvCacheContract.Case testCase) {
        KvCache cache = leaks.open(config(testCase));
        try (EngineDouble engine = new EngineDouble(testCase.geometry(), SEED, 200);
                KvSequence moved = cache.openSequence();
                KvSequence other = cache.openSequence()) {
            long empty = cache.ledger().usedBytes(Tier.DEVICE);
            engine.prompt(moved, 75);
            for (int round = 0; round < 4; round++) {
                for (int i = 0; i < 9; i++) {
                    engine.token(moved);
                }
                long before = cache.ledger().usedBytes(Tier.DEVICE);
                assertEquals(before - empty, moved.deviceBytes());
                assertTrue(moved.suspend() > 0);
                assertTrue(moved.suspended());
                assertEquals(empty, cache.ledger().usedBytes(Tier.DEVICE), "its device blocks are free");
                leaks.audit();
                engine.prompt(other, 60); // writes over what was freed
                other.truncate(0);
                assertInstanceOf(Admission.Admit.class, cache.admit(moved));
                assertEquals(before - empty, moved.resume());
                assertEquals(before, cache.ledger().usedBytes(Tier.DEVICE));
                assertEquals(0, suspendedBytes(cache));
                leaks.audit();
            }
            moved.truncate(60);
            engine.token(moved);
        }
    }

    @ParameterizedTest
    @MethodSource("pagedCases")
    void forksShareInHostMemoryAndAgainBehindIt(KvCacheContract.Case testCase) {
        KvCache cache = leaks.open(config(testCase));
        try (EngineDouble engine = new EngineDouble(testCase.geometry(), SEED, 200);
                KvSequence parent = cache.openSequence()) {
            engine.prompt(parent, 70);
            engine.token(parent);
            KvSequence child = parent.fork();
            engine.token(child);
            long shared = cache.ledger().usedBytes(Tier.DEVICE);
            long copied = parent.suspend();
            leaks.audit();
            engine.token(child); // the one that stays decodes on
            assertTrue(child.suspend() < copied, "what is shared and unchanged is copied once");
            assertEquals(cache.ledger().usedBytes(Tier.DEVICE), cache.ledger().bytes(Tier.DEVICE, Account.TILE_CACHE));
            leaks.audit();
            parent.resume();
            leaks.audit();
            engine.token(parent);
            child.resume();
            leaks.audit();
            assertTrue(cache.ledger().usedBytes(Tier.DEVICE) <= shared + 2 * blocksOfOneToken(testCase.geometry()));
            for (int i = 0; i < 20; i++) {
                engine.token(i % 3 == 0 ? parent : child);
            }
            parent.suspend();
            parent.resume(); // the child never left: most is shared at once
            engine.token(parent);
            engine.token(child);
            child.suspend();
            child.close(); // a suspended sequence can be closed
            leaks.audit();
            assertEquals(0, suspendedBytes(cache));
        }
    }

    /** Device bytes that one token of one sequence takes at most, copies of shared blocks included. */
    private static long blocksOfOneToken(CacheGeometry geometry) {
        int queryBlocks = geometry.blocksFor(16 * geometry.groupSize());
        return (long) geometry.layers() * (2 * 2 + 1 + queryBlocks) * geometry.blockBytes();
    }

    @ParameterizedTest
    @EnumSource(value = CacheName.class, from = "PAGED", to = "PYRAMID_KCACHE")
    void aSuspendedSequenceRefusesSteps(CacheName name) {
        KvCache cache = leaks.open(builder(name, GEOMETRY).build());
        try (EngineDouble engine = new EngineDouble(GEOMETRY, SEED, 200)) {
            KvSequence sequence = cache.openSequence();
            assertThrows(IllegalStateException.class, sequence::resume);
            assertThrows(IllegalStateException.class, () -> cache.admit(sequence));
            engine.prompt(sequence, 40);
            sequence.beginToken();
            assertThrows(IllegalStateException.class, sequence::suspend, "a step is open");
            engine.begunToken(sequence);
            int[] positions = sequence.positions(1);
            sequence.suspend();
            Ledger before = cache.ledger();
            StepBatch batch = new StepBatch();
            batch.token(sequence);
            IllegalStateException refusal = assertThrows(IllegalStateException.class, sequence::beginToken);
            assertTrue(refusal.getMessage().contains("resume"), refusal.getMessage());
            assertThrows(IllegalStateException.class, () -> sequence.beginPrompt(3));
            assertThrows(IllegalStateException.class, sequence::fork);
            assertThrows(IllegalStateException.class, () -> sequence.truncate(1));
            assertThrows(IllegalStateException.class, sequence::commit);
            assertThrows(IllegalStateException.class, sequence::suspend);
            assertThrows(IllegalStateException.class, () -> cache.begin(batch));
            assertEquals(before, cache.ledger());
            assertEquals(41, sequence.length());
            assertEquals(Arrays.toString(positions), Arrays.toString(sequence.positions(1)));
            sequence.close();
            assertThrows(IllegalStateException.class, sequence::resume);
            assertThrows(IllegalStateException.class, sequence::suspended);
        }
    }

    @ParameterizedTest
    @EnumSource(value = CacheName.class, from = "PAGED", to = "PYRAMID_KCACHE")
    void suspensionWithoutRoomChangesNothing(CacheName name) {
        KvCacheConfig derived = builder(name, GEOMETRY)
                .maxSequences(1)
                .hostBytes(KvCacheConfig.DERIVED)
                .build();
        KvCache cache = leaks.open(derived);
        try (EngineDouble engine = new EngineDouble(GEOMETRY, SEED, 200);
                KvSequence sequence = cache.openSequence()) {
            engine.prompt(sequence, 199);
            Ledger before = cache.ledger();
            OutOfMemory shortage = assertThrows(OutOfMemory.class, sequence::suspend);
            assertTrue(shortage.deficit().host() > 0, shortage.getMessage());
            assertEquals(0, shortage.deficit().device());
            assertTrue(shortage.getMessage().contains("hostBytes"), shortage.getMessage());
            assertEquals(before, cache.ledger());
            assertFalse(sequence.suspended());
            leaks.audit();
            engine.token(sequence);
        }
    }

    @ParameterizedTest
    @EnumSource(value = CacheName.class, from = "PAGED", to = "PYRAMID_KCACHE")
    void resumingWithoutRoomChangesNothing(CacheName name) {
        KvCacheConfig one = builder(name, GEOMETRY).maxSequences(1).build();
        long budget = KvCache.plan(one).deviceBytes() + 2 * KvCache.plan(one).tableBytes();
        KvCache cache = leaks.open(builder(name, GEOMETRY).deviceBytes(budget).build());
        try (EngineDouble engine = new EngineDouble(GEOMETRY, SEED, 200);
                KvSequence first = cache.openSequence();
                KvSequence second = cache.openSequence()) {
            engine.prompt(first, 180);
            first.suspend();
            engine.prompt(second, 170);
            Admission.Wait wait = assertInstanceOf(Admission.Wait.class, cache.admit(first));
            assertTrue(wait.deficit().device() > 0);
            Ledger before = cache.ledger();
            OutOfMemory shortage = assertThrows(OutOfMemory.class, first::resume);
            assertTrue(shortage.deficit().device() > 0);
            assertTrue(shortage.deficit().device() <= wait.deficit().device(), "the watermark comes on top");
            assertEquals(before, cache.ledger());
            assertTrue(first.suspended());
            leaks.audit();
            engine.token(second);
            second.truncate(0);
            assertEquals(new Admission.Admit(), cache.admit(first));
            first.resume();
            engine.token(first);
        }
    }

    @Test
    void regionsAreNotSuspended() {
        KvCache cache = leaks.open(builder(CacheName.FULL, GEOMETRY).build());
        try (KvSequence sequence = cache.openSequence()) {
            assertThrows(UnsupportedOperationException.class, sequence::suspend);
            assertFalse(sequence.suspended());
            assertTrue(sequence.deviceBytes() > 0);
        }
    }
}
