package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger.Account;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.PrefixCaching;
import io.kvmanager.PrefixRequest;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Forks and cuts of sequences that read next to nothing but what stands in; blocks hold 8 means, or 4 shadows. */
class StandInsTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 2, 8, 8, ElementType.F32);
    private static final long BLOCK_BYTES = 2 * 8 * 8 * 4;
    private static final int LIMIT = 140;
    private static final long SEED = 6;
    private static final int RECENT = 5;
    private static final int SINKS = 1;

    private static PagedBackend open(Compensation compensation) {
        return Backends.open(builder(compensation).build());
    }

    private static KvCacheConfig.Builder builder(Compensation compensation) {
        return KvCacheConfig.builder(CacheName.KCACHE, GEOMETRY)
                .device("host:plain")
                .selection(new ValueSelection.TopN(1))
                .compensation(compensation)
                .recentTokens(RECENT)
                .sinkBlocks(SINKS)
                .maxSequences(2)
                .maxSequenceTokens(LIMIT)
                .hostBytes(1 << 20);
    }

    private static void token(EngineDouble engine, KvSequence sequence, PagedBackend backend) {
        PlacementPolicy.Offloaded placement =
                (PlacementPolicy.Offloaded) backend.config().placement();
        engine.token(sequence, (layer, positions) -> {
            int slots = positions.length - 1;
            int residentFrom = Math.max(SINKS, (slots - RECENT) / 8);
            float[] q = engine.query(layer, positions[slots]);
            return engine.reference().attendOffloaded(layer, q, positions, residentFrom, placement);
        });
        assertEquals(List.of(), backend.audit());
    }

    @ParameterizedTest
    @EnumSource(
            value = Compensation.class,
            names = {"MEAN", "INT4", "INT8"})
    void forksCutsAndSuspensionsReadTheRightOnes(Compensation compensation) {
        SplittableRandom random = new SplittableRandom(SEED);
        try (PagedBackend backend = open(compensation);
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, LIMIT)) {
            KvSequence parent = backend.openSequence();
            engine.prompt(parent, 77, (layer, alive, row) -> null);
            KvSequence child = parent.fork();
            for (int i = 0; i < 60; i++) {
                KvSequence one = random.nextBoolean() ? parent : child;
                switch (random.nextInt(10)) {
                    case 0 -> one.truncate(Math.max(9, one.length() - random.nextInt(30)));
                    case 1 -> {
                        one.suspend();
                        assertEquals(List.of(), backend.audit());
                        one.resume();
                    }
                    default -> token(engine, one, backend);
                }
                assertEquals(List.of(), backend.audit(), "seed " + SEED);
            }
            parent.close();
            child.close();
        }
    }

    private static void assertStandIns(PagedBackend backend, Account account, int blocks) {
        assertEquals(blocks, backend.ledger().bytes(Tier.DEVICE, account) / BLOCK_BYTES);
        assertEquals(List.of(), backend.audit());
    }

    @Test
    void meansComeAndGoWithTheBlocksTheyStandFor() {
        try (PagedBackend backend = open(Compensation.MEAN);
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, LIMIT);
                KvSequence sequence = backend.openSequence()) {
            engine.prompt(sequence, 15, (layer, alive, row) -> null);
            assertStandIns(backend, Account.SUMMARY, 0);
            token(engine, sequence, backend);
            assertStandIns(backend, Account.SUMMARY, 2);
            for (int i = 16; i < 24; i++) {
                token(engine, sequence, backend); // from 21 on a mean is read
            }
            assertStandIns(backend, Account.SUMMARY, 2);
            sequence.truncate(0);
            engine.prompt(sequence, 71, (layer, alive, row) -> null);
            assertStandIns(backend, Account.SUMMARY, 2);
            token(engine, sequence, backend);
            assertStandIns(backend, Account.SUMMARY, 4);
            sequence.truncate(70);
            assertStandIns(backend, Account.SUMMARY, 2);
            sequence.truncate(15);
            assertStandIns(backend, Account.SUMMARY, 0);
            assertEquals(0, backend.ledger().usedBytes(Tier.HOST));
        }
    }

    @Test
    void shadowsAreRangesAndCodes() {
        try (PagedBackend backend = open(Compensation.INT8);
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, LIMIT);
                KvSequence sequence = backend.openSequence()) {
            engine.prompt(sequence, 39, (layer, alive, row) -> null);
            assertStandIns(backend, Account.SHADOW, 2 * (1 + 1));
            token(engine, sequence, backend);
            assertStandIns(backend, Account.SHADOW, 2 * (2 + 2));
            sequence.truncate(39);
            assertStandIns(backend, Account.SHADOW, 2 * (1 + 1));
            assertEquals(sequence.fetchReport(1).shadowBytes(), 2 * BLOCK_BYTES);
            assertEquals(sequence.fetchReport().shadowBytes(), 4 * BLOCK_BYTES);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Compensation.class,
            names = {"MEAN", "INT4", "INT8"})
    void behindAPrefixTheyAreMadeAgain(Compensation compensation) {
        KvCacheConfig config = builder(compensation)
                .prefixes(new PrefixCaching("lru", "model"))
                .build();
        try (PagedBackend backend = Backends.open(config);
                EngineDouble engine = new EngineDouble(GEOMETRY, SEED, LIMIT)) {
            int[] ids = IntStream.range(0, 88).toArray();
            try (KvSequence first = backend.openSequence(PrefixRequest.of(ids))) {
                engine.prompt(first, 88, (layer, alive, row) -> null);
            }
            Account account = compensation == Compensation.MEAN ? Account.SUMMARY : Account.SHADOW;
            assertStandIns(backend, account, 0);
            long free = backend.availability().now().device();
            try (KvSequence second = backend.openSequence(PrefixRequest.of(ids))) {
                assertEquals(87, second.length(), "10 blocks, and a part of the last");
                int standIns =
                        compensation == Compensation.MEAN ? 2 : compensation == Compensation.INT8 ? 3 + 3 : 3 + 2;
                assertStandIns(backend, account, 2 * standIns);
                assertEquals(0, backend.pool().reservedBlocks());
                assertEquals(2 * 9 * BLOCK_BYTES, second.fetchReport().bytesFetched() - 2 * BLOCK_BYTES, "all homes");
                for (int i = 0; i < 20; i++) {
                    token(engine, second, backend);
                }
            }
            assertEquals(free, backend.availability().now().device());
        }
    }
}
