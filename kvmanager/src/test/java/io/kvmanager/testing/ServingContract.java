package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvCacheException.SequenceTooLong;
import io.kvmanager.KvCacheException.TooManySequences;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.StepBatch;
import io.kvmanager.TierBytes;
import io.kvmanager.ValueSelection;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a scheduler leans on: batches and admission. A subclass names the device. */
public abstract class ServingContract {
    private static final long SEED = 20261104;
    private static final CacheGeometry GEOMETRY = new CacheGeometry(4, 6, 2, 32, 16, ElementType.BF16);
    private static final long HOST_BYTES = 400L * GEOMETRY.blockBytes();

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    /** The device to run on, as a user writes it. */
    protected abstract String device();

    private KvCacheConfig.Builder builder(CacheName cache, CacheGeometry geometry) {
        KvCacheConfig.Builder builder = KvCacheConfig.builder(cache, geometry)
                .device(device())
                .maxSequences(3)
                .maxSequenceTokens(200)
                .selection(new ValueSelection.TopN(64))
                .recentTokens(20)
                .hostBytes(400L * geometry.blockBytes());
        return cache.budgeted() ? builder.budget(200) : builder;
    }

    @ParameterizedTest
    @EnumSource(CacheName.class)
    void aBatchBeginsEveryStepOrNone(CacheName name) {
        KvCacheConfig one = builder(name, GEOMETRY).maxSequences(1).build();
        long budget = KvCache.plan(one).deviceBytes() + 2 * KvCache.plan(one).tableBytes();
        boolean full = name == CacheName.FULL;
        KvCache cache = leaks.open(builder(name, GEOMETRY)
                .deviceBytes(full ? KvCacheConfig.DERIVED : budget)
                .build());
        StepBatch batch = new StepBatch();
        cache.begin(batch); // nothing to begin
        try (EngineDouble engine = new EngineDouble(GEOMETRY, SEED, 200);
                KvSequence a = cache.openSequence();
                KvSequence b = cache.openSequence();
                KvSequence c = cache.openSequence()) {
            engine.prompt(a, 30);
            batch.prompt(b, 40);
            batch.token(a);
            cache.begin(batch);
            assertThrows(IllegalStateException.class, a::beginToken, "its step is begun");
            engine.begunPrompt(b, 40);
            engine.begunToken(a);
            leaks.audit();

            Ledger before = cache.ledger();
            batch.clear();
            batch.token(a);
            batch.token(b);
            batch.prompt(c, 201);
            assertThrows(SequenceTooLong.class, () -> cache.begin(batch));
            batch.clear();
            batch.token(a);
            batch.token(b);
            batch.token(a);
            assertThrows(IllegalArgumentException.class, () -> cache.begin(batch), "twice in one batch");
            if (!full) {
                batch.clear();
                batch.token(a);
                batch.prompt(c, 200);
                batch.prompt(b, 100);
                OutOfMemory shortage = assertThrows(OutOfMemory.class, () -> cache.begin(batch));
                assertNotEquals(TierBytes.NONE, shortage.deficit());
                assertEquals(before, cache.ledger());
            }
            leaks.audit();
            engine.token(a); // none of the failed batches left a step behind
            engine.token(b);
            batch.clear();
            batch.token(c);
            batch.token(a);
            cache.begin(batch);
            engine.begunToken(a);
            engine.begunToken(c);
        }
    }

    @ParameterizedTest
    @EnumSource(value = CacheName.class, mode = EnumSource.Mode.EXCLUDE, names = "FULL")
    void forksOfOneSequenceStepTogether(CacheName name) {
        KvCache cache = leaks.open(builder(name, GEOMETRY).build());
        StepBatch batch = new StepBatch();
        try (EngineDouble engine = new EngineDouble(GEOMETRY, SEED, 200);
                KvSequence a = cache.openSequence()) {
            engine.prompt(a, 37);
            try (KvSequence b = a.fork();
                    KvSequence c = b.fork()) {
                List<KvSequence> all = List.of(c, a, b);
                for (int i = 0; i < 30; i++) {
                    batch.clear();
                    all.forEach(batch::token);
                    cache.begin(batch);
                    all.forEach(engine::begunToken);
                    leaks.audit();
                }
            }
        }
    }

    @Test
    void aBatchIsOfOneCache() {
        KvCache one = leaks.open(builder(CacheName.PAGED, GEOMETRY).build());
        KvCache two = leaks.open(builder(CacheName.PAGED, GEOMETRY).build());
        try (KvSequence stranger = two.openSequence()) {
            StepBatch batch = new StepBatch();
            batch.token(stranger);
            assertThrows(IllegalArgumentException.class, () -> one.begin(batch));
            assertThrows(IllegalArgumentException.class, () -> batch.prompt(stranger, 0));
        }
    }

    // ---- admission ----

    @ParameterizedTest
    @EnumSource(CacheName.class)
    void admissionSaysWhatAPromptWillFind(CacheName name) {
        KvCacheConfig one = builder(name, GEOMETRY).maxSequences(1).build();
        long budget = KvCache.plan(one).deviceBytes() + 3 * KvCache.plan(one).tableBytes();
        boolean full = name == CacheName.FULL;
        KvCache cache = leaks.open(builder(name, GEOMETRY)
                .deviceBytes(full ? KvCacheConfig.DERIVED : budget)
                .build());
        assertInstanceOf(Admission.Never.class, cache.admit(150, 51));
        assertThrows(IllegalArgumentException.class, () -> cache.admit(0, 1));
        assertThrows(IllegalArgumentException.class, () -> cache.admit(1, -1));
        try (EngineDouble engine = new EngineDouble(GEOMETRY, SEED, 200)) {
            List<KvSequence> open = new ArrayList<>();
            while (cache.admit(110, 40) instanceof Admission.Admit) {
                KvSequence sequence = cache.openSequence();
                engine.prompt(sequence, 110); // what is admitted fits
                open.add(sequence);
            }
            assertTrue(!open.isEmpty());
            Admission.Wait wait = assertInstanceOf(Admission.Wait.class, cache.admit(110, 40));
            if (wait.sequences() > 0) {
                assertThrows(TooManySequences.class, cache::openSequence);
            } else {
                assertNotEquals(TierBytes.NONE, wait.deficit());
            }
            open.forEach(KvSequence::close);
            assertEquals(new Admission.Admit(), cache.admit(200, 0), "alone, nothing waits");
        }
    }

    @Test
    void whatExceedsAnEmptyCacheIsNever() {
        KvCacheConfig.Builder small = KvCacheConfig.builder(CacheName.PYRAMID, GEOMETRY)
                .device(device())
                .maxSequenceTokens(2000)
                .promptTokens(50)
                .set("retention", "layers(.1/.1/.1/.1,recent=16)")
                .hostBytes(HOST_BYTES);
        KvCache cache = leaks.open(small.build());
        Admission.Never never = assertInstanceOf(Admission.Never.class, cache.admit(1990, 10));
        assertTrue(never.reason().contains("deviceBytes"), never.reason());
        assertEquals(new Admission.Admit(), cache.admit(50, 1950), "the same tokens, generated and pruned");
        try (EngineDouble engine = new EngineDouble(GEOMETRY, SEED, 2000);
                KvSequence sequence = cache.openSequence()) {
            assertThrows(OutOfMemory.class, () -> sequence.beginPrompt(1990));
            engine.prompt(sequence, 50);
        }
    }

    @Test
    void theWatermarkIsKeptUnlessNothingRuns() {
        KvCacheConfig config = builder(CacheName.PAGED, GEOMETRY).watermark(1).build();
        KvCache cache = leaks.open(config);
        assertEquals(new Admission.Admit(), cache.admit(100, 0));
        try (EngineDouble engine = new EngineDouble(GEOMETRY, SEED, 200);
                KvSequence sequence = cache.openSequence()) {
            engine.token(sequence);
            assertInstanceOf(Admission.Wait.class, cache.admit(1, 0));
        }
    }
}
