package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.MemoryPlan;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What every cache must do, whatever its name and device. A subclass names the device. */
public abstract class KvCacheContract {
    private static final long SEED = 20260501;

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    /** The device to run on, as a user writes it. */
    protected abstract String device();

    /** Lengths of prompts, and tokens behind each; less where every kernel takes long. */
    protected List<Integer> promptLengths() {
        return List.of(1, 16, 17, 130);
    }

    /** What may stand in for what is not read; less where a device has not all of it. */
    protected List<Compensation> compensations() {
        return List.of(Compensation.values());
    }

    /** What takes most blocks of its own. */
    private Compensation standIn() {
        return compensations().contains(Compensation.INT4) ? Compensation.INT4 : Compensation.MEAN;
    }

    private KvCacheConfig.Builder builder(CacheName cache, CacheGeometry geometry) {
        KvCacheConfig.Builder builder = KvCacheConfig.builder(cache, geometry)
                .device(device())
                .maxSequences(2)
                .maxSequenceTokens(200)
                .selection(new ValueSelection.TopN(64))
                .recentTokens(20);
        return cache.budgeted() ? builder.budget(200) : builder; // nothing is evicted, every page is read
    }

    private static CacheGeometry geometry(ElementType type) {
        return new CacheGeometry(4, 6, 2, 32, 16, type);
    }

    /** A configuration under the text that names it. */
    public record Case(String text, CacheName cache, CacheGeometry geometry, String retention) {
        @Override
        public String toString() {
            return text;
        }
    }

    protected static Stream<Case> cases() {
        List<Case> cases = new ArrayList<>();
        CacheGeometry usual = geometry(ElementType.BF16);
        for (CacheName cache : CacheName.values()) {
            cases.add(new Case(cache + " as it comes", cache, usual, ""));
        }
        for (ElementType type : ElementType.values()) {
            cases.add(new Case("paged " + type, CacheName.PAGED, geometry(type), ""));
        }
        for (String retention : List.of(
                "paper-7b",
                "paper-13b",
                "paper-70b",
                "half",
                "local(sinks=3,recent=20)",
                "layers(1/.2/.4/1)",
                "pyramid(curve=explicit,ratios=1/.6/.7/.5,recent=.1,mincontext=8)",
                "pyramid(curve=geometric,d=.3,recent=.1,mincontext=8)",
                "pyramid(curve=constant,d=.8,recent=.2,first=1,mincontext=8)")) {
            cases.add(new Case(retention, CacheName.PYRAMID, usual, retention));
            cases.add(new Case(retention + " offloaded", CacheName.PYRAMID_KCACHE, usual, retention));
        }
        cases.add(new Case(
                "one head", CacheName.PYRAMID_KCACHE, new CacheGeometry(2, 1, 1, 8, 4, ElementType.F32), "half"));
        cases.add(new Case("wide groups", CacheName.KCACHE, new CacheGeometry(2, 16, 2, 64, 8, ElementType.F16), ""));
        cases.add(new Case("large heads", CacheName.KCACHE, new CacheGeometry(2, 4, 4, 128, 32, ElementType.BF16), ""));
        return cases.stream();
    }

    protected static Stream<CacheName> names() {
        return Stream.of(CacheName.values());
    }

    private KvCacheConfig config(Case testCase, Compensation compensation) {
        KvCacheConfig.Builder builder =
                builder(testCase.cache(), testCase.geometry()).compensation(compensation);
        if (!testCase.retention().isEmpty()) {
            builder.set("retention", testCase.retention());
        }
        return builder.build();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void attentionIsThatOfWhatIsRetained(Case testCase) {
        for (Compensation compensation : compensations()) {
            for (int prompt : promptLengths()) {
                try (KvCache cache = KvCache.open(config(testCase, compensation));
                        KvSequence sequence = cache.openSequence();
                        EngineDouble engine = new EngineDouble(testCase.geometry(), SEED, 200)) {
                    engine.prompt(sequence, prompt);
                    for (int i = 0; i < 40; i++) {
                        engine.token(sequence); // every tile may be fetched, so offload changes nothing
                    }
                    assertEquals(List.of(), cache.audit());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void planIsWhatOpeningTakes(Case testCase) {
        KvCacheConfig config = config(testCase, standIn());
        MemoryPlan plan = KvCache.plan(config);
        KvCache cache = leaks.open(config);
        assertEquals(plan.deviceBytes(), cache.memory().deviceBytesAllocated());
        assertEquals(plan.hostBytes(), cache.memory().hostBytesAllocated());
        try (KvSequence one = cache.openSequence();
                KvSequence two = cache.openSequence();
                EngineDouble engine = new EngineDouble(testCase.geometry(), SEED, 200)) {
            // derived budgets hold as many sequences as planned, whatever the split into prompt and tokens
            engine.prompt(one, 200);
            engine.prompt(two, 200);
        }
        assertTrue(cache.memory().deviceBytesPeak() <= plan.deviceBytes());
    }

    @ParameterizedTest
    @MethodSource("cases")
    void forksShareAndThenPart(Case testCase) {
        KvCache cache = leaks.open(config(testCase, standIn()));
        try (EngineDouble engine = new EngineDouble(testCase.geometry(), SEED, 200);
                KvSequence parent = cache.openSequence()) {
            engine.prompt(parent, 75);
            engine.token(parent);
            long before = cache.ledger().usedBytes(Tier.DEVICE);
            try (KvSequence child = parent.fork()) {
                boolean copies =
                        testCase.cache() == CacheName.FULL || testCase.cache().budgeted();
                assertTrue(copies || before == cache.ledger().usedBytes(Tier.DEVICE), "a fork takes no blocks");
                for (int i = 0; i < 30; i++) {
                    engine.token(i % 3 == 0 ? child : parent);
                    leaks.audit();
                }
                for (int i = 0; i < 20; i++) {
                    engine.token(child);
                }
                assertEquals(76 + 30, child.length());
                leaks.audit();
            }
            engine.token(parent);
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void truncationForgetsAndNothingElse(CacheName name) {
        CacheGeometry geometry = geometry(ElementType.BF16);
        KvCache cache = leaks.open(builder(name, geometry).build());
        try (EngineDouble engine = new EngineDouble(geometry, SEED, 200);
                KvSequence sequence = cache.openSequence()) {
            engine.prompt(sequence, 90);
            for (int cut : new int[] {1, 15, 16, 17, 40, 3}) {
                for (int i = 0; i < 20; i++) {
                    engine.token(sequence);
                }
                sequence.truncate(sequence.length() - cut);
                leaks.audit();
                for (int layer = 0; layer < geometry.layers(); layer++) {
                    for (int position : sequence.positions(layer)) {
                        assertTrue(position < sequence.length());
                    }
                }
            }
            engine.token(sequence);
            sequence.truncate(0);
            assertEquals(0, sequence.retained(0));
            leaks.audit();
            engine.prompt(sequence, 50);
            engine.token(sequence);
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void truncatingAForkLeavesTheOtherAlone(CacheName name) {
        CacheGeometry geometry = geometry(ElementType.F32);
        KvCache cache = leaks.open(builder(name, geometry).build());
        try (EngineDouble engine = new EngineDouble(geometry, SEED, 200);
                KvSequence parent = cache.openSequence()) {
            engine.prompt(parent, 120);
            try (KvSequence child = parent.fork()) {
                child.truncate(61);
                leaks.audit();
                engine.token(parent);
                for (int i = 0; i < 20; i++) {
                    engine.token(child);
                }
                engine.token(parent);
                leaks.audit();
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Compensation.class)
    void partialFetchMatchesTheOracle(Compensation compensation) {
        assumeTrue(compensations().contains(compensation), "this device does not have it");
        for (ValueSelection selection :
                List.of(new ValueSelection.TopN(1), new ValueSelection.TopN(3), new ValueSelection.Nucleus(.6, 4))) {
            CacheGeometry geometry = geometry(ElementType.BF16);
            KvCacheConfig config = builder(CacheName.KCACHE, geometry)
                    .selection(selection)
                    .compensation(compensation)
                    .build();
            KvCache cache = leaks.open(config);
            PlacementPolicy.Offloaded placement = (PlacementPolicy.Offloaded) config.placement();
            try (EngineDouble engine = new EngineDouble(geometry, SEED, 200);
                    KvSequence sequence = cache.openSequence()) {
                engine.prompt(sequence, 150);
                for (int i = 0; i < 40; i++) {
                    int kept = sequence.length();
                    int blockTokens = geometry.blockTokens();
                    int residentFrom = Math.max(
                            placement.sinkBlocks(),
                            Math.min(kept / blockTokens, (kept - placement.recentTokens()) / blockTokens));
                    engine.token(
                            sequence,
                            (layer, positions) -> engine.reference()
                                    .attendOffloaded(
                                            layer,
                                            engine.query(layer, positions[positions.length - 1]),
                                            positions,
                                            residentFrom,
                                            placement));
                }
                assertTrue(sequence.fetchReport().tilesMissed() > 0);
                assertEquals(
                        sequence.fetchReport().tilesMissed() * geometry.tileBytes(),
                        sequence.fetchReport().bytesFetched());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 2, 17})
    void layersAndSinksNamedResidentAreRead(int sinkBlocks) {
        CacheGeometry geometry = new CacheGeometry(3, 6, 2, 32, 8, ElementType.BF16);
        KvCacheConfig config = builder(CacheName.KCACHE, geometry)
                .selection(new ValueSelection.TopN(1))
                .compensation(Compensation.MEAN)
                .sinkBlocks(sinkBlocks)
                .residentValueLayers(1)
                .build();
        KvCache cache = leaks.open(config);
        PlacementPolicy.Offloaded placement = (PlacementPolicy.Offloaded) config.placement();
        try (EngineDouble engine = new EngineDouble(geometry, SEED, 200);
                KvSequence sequence = cache.openSequence()) {
            engine.prompt(sequence, 180);
            for (int i = 0; i < 20; i++) {
                int residentFrom = Math.max(sinkBlocks, (sequence.length() - placement.recentTokens()) / 8);
                engine.token(sequence, (layer, positions) -> {
                    float[] q = engine.query(layer, positions[positions.length - 1]);
                    return layer == 0
                            ? engine.reference().attend(layer, q, positions)
                            : engine.reference().attendOffloaded(layer, q, positions, residentFrom, placement);
                });
            }
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void secondPromptSeesTheFirst(CacheName name) {
        CacheGeometry geometry = geometry(ElementType.BF16);
        KvCache cache = leaks.open(builder(name, geometry).build());
        try (EngineDouble engine = new EngineDouble(geometry, SEED, 200);
                KvSequence sequence = cache.openSequence()) {
            engine.prompt(sequence, 60);
            engine.prompt(sequence, 50);
            leaks.audit();
            engine.token(sequence);
            assertEquals(111, sequence.length());
        }
    }

    @ParameterizedTest
    @EnumSource(value = CacheName.class, mode = EnumSource.Mode.EXCLUDE, names = "FULL")
    void shortageChangesNothing(CacheName name) {
        CacheGeometry geometry = geometry(ElementType.BF16);
        KvCacheConfig.Builder builder = builder(name, geometry).maxSequenceTokens(120);
        MemoryPlan plan = KvCache.plan(builder.maxSequences(1).build());
        long budget = plan.deviceBytes() + plan.tableBytes() + 6L * geometry.blockBytes(); // one and a bit
        KvCache cache = leaks.open(builder.maxSequences(2).deviceBytes(budget).build());
        try (EngineDouble engine = new EngineDouble(geometry, SEED, 200)) {
            KvSequence first = cache.openSequence();
            engine.prompt(first, 110);
            KvSequence second = cache.openSequence();
            Ledger before = cache.ledger();
            OutOfMemory shortage = assertThrows(OutOfMemory.class, () -> second.beginPrompt(110));
            assertTrue(shortage.deficit().device() > 0);
            assertEquals(before, cache.ledger());
            leaks.audit();
            engine.token(first);
            first.close();
            engine.prompt(second, 110); // the next request is served
            second.close();
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void budgetsTooSmallForOneSequenceAreRefused(CacheName name) {
        KvCacheConfig.Builder small = builder(name, geometry(ElementType.BF16)).deviceBytes(1000);
        OutOfMemory refusal = assertThrows(OutOfMemory.class, () -> KvCache.open(small.build()));
        assertTrue(refusal.getMessage().contains("deviceBytes"), refusal.getMessage());
    }

    @ParameterizedTest
    @MethodSource("names")
    void misuseThrowsAndChangesNothing(CacheName name) {
        CacheGeometry geometry = geometry(ElementType.BF16);
        KvCache cache = KvCache.open(builder(name, geometry).build());
        try (EngineDouble engine = new EngineDouble(geometry, SEED, 200)) {
            KvSequence sequence = cache.openSequence();
            assertThrows(IllegalStateException.class, sequence::commit);
            assertThrows(IllegalArgumentException.class, () -> sequence.beginPrompt(0));
            assertThrows(KvCacheException.SequenceTooLong.class, () -> sequence.beginPrompt(201));
            assertThrows(IllegalArgumentException.class, () -> sequence.truncate(1));
            engine.prompt(sequence, 20);
            sequence.beginToken();
            assertThrows(IllegalStateException.class, sequence::beginToken);
            assertThrows(IllegalStateException.class, sequence::fork);
            assertThrows(IllegalStateException.class, () -> sequence.truncate(3));
            assertThrows(IllegalStateException.class, sequence::commit);
            sequence.close(); // drops the step that was begun
            assertEquals(List.of(), cache.audit());
            assertThrows(IllegalStateException.class, sequence::close);
            assertThrows(IllegalStateException.class, sequence::length);
            assertThrows(IllegalStateException.class, sequence::beginToken);
            cache.openSequence();
            KvSequence last = cache.openSequence();
            assertThrows(KvCacheException.TooManySequences.class, cache::openSequence);
            assertThrows(KvCacheException.TooManySequences.class, last::fork);
        }
        cache.close();
        cache.close();
        assertThrows(IllegalStateException.class, cache::openSequence);
    }
}
