package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.MemoryUse;
import io.kvmanager.RowSelection;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import io.kvmanager.testing.LeakCheck;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What only shows after very many sequences, and what pruned sequences owe their forks. */
class LongServiceTest {
    private static final int SEQUENCES = 100_000;
    private static final long MOST_GROWTH_BYTES = 4 << 20;

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    private static KvCacheConfig.Builder builder(CacheGeometry geometry) {
        return KvCacheConfig.builder(CacheName.PYRAMID_KCACHE, geometry)
                .device("host:plain")
                .set("retention", "layers(1/.3/.1,recent=4,sinks=1,queries=2)")
                .selection(new ValueSelection.TopN(64))
                .recentTokens(4)
                .maxSequences(3)
                .maxSequenceTokens(40)
                .hostBytes(1 << 16);
    }

    @Test
    void aHundredThousandSequencesLeaveNothingBehind() {
        CacheGeometry geometry = new CacheGeometry(3, 1, 1, 2, 4, ElementType.F32);
        KvCache cache = leaks.open(builder(geometry).build());
        Ledger atOpen = cache.ledger();
        MemoryUse memory = cache.memory();
        try (Arena arena = Arena.ofShared()) {
            MemorySegment rows = arena.allocate(4L * 40 * 2, 64);
            MemorySegment out = arena.allocate(4L * 40 * 2, 64);
            serve(cache, rows, out, SEQUENCES / 10); // until here classes are loaded and caches filled
            long heap = usedHeap();
            serve(cache, rows, out, SEQUENCES);
            assertEquals(atOpen, cache.ledger());
            assertEquals(memory.deviceBytesAllocated(), cache.memory().deviceBytesAllocated());
            assertEquals(memory.hostBytesAllocated(), cache.memory().hostBytesAllocated());
            long growth = usedHeap() - heap;
            assertTrue(growth < MOST_GROWTH_BYTES, growth + " bytes of heap for " + SEQUENCES + " sequences");
        }
    }

    /** Opens, prunes, forks, suspends and closes, two sequences at a time. */
    private static void serve(KvCache cache, MemorySegment rows, MemorySegment out, int sequences) {
        int layers = cache.config().geometry().layers();
        for (int i = 0; i < sequences; i += 2) {
            KvSequence parent = cache.openSequence();
            int alive = 6 + i % 17;
            parent.beginPrompt(alive);
            for (int layer = 0; layer < layers; layer++) {
                RowSelection survivors = parent.attendPrompt(layer, alive, rows, rows, rows, out);
                alive = survivors.count();
            }
            parent.commit();
            KvSequence child = parent.fork();
            token(child, layers, rows, out);
            parent.suspend();
            if (i % 4 == 0) {
                parent.resume();
                token(parent, layers, rows, out);
            }
            child.suspend();
            parent.close();
            child.close();
        }
    }

    private static void token(KvSequence sequence, int layers, MemorySegment rows, MemorySegment out) {
        sequence.beginToken();
        for (int layer = 0; layer < layers; layer++) {
            sequence.attend(layer, rows, rows, rows, out);
        }
        sequence.commit();
    }

    private static long usedHeap() {
        for (int i = 0; i < 3; i++) {
            ManagementFactory.getMemoryMXBean().gc();
        }
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    @Test
    void aForkOfAPrunedSequenceDecodesAsItsParentWould() {
        CacheGeometry geometry = new CacheGeometry(3, 4, 2, 16, 8, ElementType.BF16);
        KvCacheConfig config = builder(geometry)
                .set("retention", "layers(1/.3/.1,recent=16,sinks=2,queries=5)")
                .maxSequenceTokens(300)
                .hostBytes(1 << 20)
                .build();
        KvCache cache = leaks.open(config);
        try (EngineDouble engine = new EngineDouble(geometry, 20261123, 300);
                KvSequence parent = cache.openSequence()) {
            engine.prompt(parent, 150);
            assertNotEquals(parent.retained(0), parent.retained(1), "layers keep different lengths");
            assertNotEquals(parent.retained(1), parent.retained(2));
            try (KvSequence child = parent.fork()) {
                for (int i = 0; i < 100; i++) { // past several prunings in generation
                    engine.token(parent); // both outputs are compared with the oracle over what each retains
                    engine.token(child);
                    if (i == 40) {
                        child.suspend();
                        child.resume();
                    }
                    for (int layer = 0; layer < geometry.layers(); layer++) {
                        assertEquals(parent.retained(layer), child.retained(layer));
                        assertArrayEquals(parent.positions(layer), child.positions(layer), "layer " + layer);
                    }
                }
            }
        }
    }
}
