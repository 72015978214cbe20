package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import io.kvmanager.testing.LeakCheck;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Many threads on one cache: each writes its own sequences, all ask the cache. */
class ConcurrentUseTest {
    private static final long SEED = 20261122;
    private static final int THREADS = 6;
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 2, 1, 4, 4, ElementType.F32);

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    private static KvCacheConfig config(CacheName name) {
        KvCacheConfig.Builder builder = KvCacheConfig.builder(name, GEOMETRY)
                .device("host:plain")
                .maxSequenceTokens(48)
                .selection(new ValueSelection.TopN(64))
                .recentTokens(8);
        long four = KvCache.plan(builder.maxSequences(4).build()).deviceBytes();
        return builder.maxSequences(9)
                .deviceBytes(four)
                .hostBytes(300L * GEOMETRY.blockBytes())
                .build();
    }

    @ParameterizedTest
    @EnumSource(
            value = CacheName.class,
            names = {"PAGED", "PYRAMID_KCACHE"})
    void threadsWithSequencesOfTheirOwn(CacheName name) throws InterruptedException, ExecutionException {
        KvCache cache = leaks.open(config(name));
        AtomicInteger completed = new AtomicInteger();
        AtomicBoolean ended = new AtomicBoolean();
        try (ExecutorService threads = Executors.newFixedThreadPool(THREADS + 1)) {
            List<Future<?>> clients = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                long seed = SEED + i;
                clients.add(threads.submit(() -> live(cache, new SplittableRandom(seed), seed, completed)));
            }
            Future<?> observer = threads.submit(() -> observe(cache, ended));
            for (Future<?> client : clients) {
                client.get();
            }
            ended.set(true);
            observer.get();
        }
        assertTrue(completed.get() > 0, "somebody got through, seed " + SEED);
    }

    /** Opens, runs, forks, suspends and closes sequences; every output is compared with this thread's oracle. */
    private static void live(KvCache cache, SplittableRandom random, long seed, AtomicInteger completed) {
        try (EngineDouble engine = new EngineDouble(GEOMETRY, seed, 48)) {
            for (int round = 0; round < 60; round++) {
                if (!(cache.admit(10, 10) instanceof Admission.Admit)) {
                    continue;
                }
                try (KvSequence sequence = cache.openSequence()) {
                    engine.prompt(sequence, 1 + random.nextInt(20));
                    for (int i = random.nextInt(12); i > 0; i--) {
                        engine.token(sequence);
                    }
                    if (random.nextBoolean()) {
                        sequence.suspend();
                        sequence.resume();
                    }
                    try (KvSequence child = sequence.fork()) {
                        child.truncate(child.length() - random.nextInt(2));
                        engine.token(child);
                    }
                    engine.token(sequence);
                    completed.incrementAndGet();
                } catch (KvCacheException.OutOfMemory | KvCacheException.TooManySequences shortage) {
                    LockSupport.parkNanos(100_000); // others hold what is missing; the next round tries again
                }
            }
        }
    }

    private static void observe(KvCache cache, AtomicBoolean ended) {
        while (!ended.get()) {
            assertEquals(List.of(), cache.ledger().imbalances());
            assertEquals(List.of(), cache.audit());
            assertTrue(cache.memory().deviceBytes() <= cache.memory().deviceBytesAllocated());
            LockSupport.parkNanos(20_000);
        }
    }

    @Test
    void closingTheCacheStopsEverySequence() throws InterruptedException, ExecutionException {
        for (int round = 0; round < 20; round++) {
            KvCache cache = KvCache.open(config(CacheName.PAGED));
            try (ExecutorService threads = Executors.newFixedThreadPool(3)) {
                List<Future<?>> users = new ArrayList<>();
                AtomicInteger started = new AtomicInteger();
                for (int i = 0; i < 3; i++) {
                    users.add(threads.submit(() -> useUntilClosed(cache, started)));
                }
                while (started.get() < 3) {
                    Thread.onSpinWait();
                }
                cache.close();
                for (Future<?> user : users) {
                    user.get(); // ended by IllegalStateException and nothing else
                }
            }
            assertThrows(IllegalStateException.class, () -> cache.admit(1, 1));
            Ledger after = cache.ledger();
            assertEquals(List.of(), after.imbalances());
        }
    }

    private static void useUntilClosed(KvCache cache, AtomicInteger started) {
        EngineDouble engine = new EngineDouble(GEOMETRY, SEED, 48);
        try (engine) {
            while (true) {
                KvSequence sequence = cache.openSequence();
                engine.prompt(sequence, 5);
                engine.token(sequence);
                started.incrementAndGet();
                sequence.close();
            }
        } catch (IllegalStateException closed) {
            assertTrue(String.valueOf(closed.getMessage()).contains("closed"), closed::toString);
        }
    }
}
