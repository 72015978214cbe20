package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.LeakCheck;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A decode step allocates nothing once the compiler is done with it, pruning and offload included. Until then vectors
 * are boxed, so rounds are repeated until one is free of allocation; that none ever is fails the test.
 */
class DecodeAllocationTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(3, 4, 2, 32, 16, ElementType.BF16);
    private static final int PROMPT = 100;
    private static final int MAX_ROUNDS = 200;
    private static final int STEPS = 250;

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    @ParameterizedTest
    @EnumSource(value = CacheName.class, to = "PYRAMID_KCACHE")
    void aDecodeStepAllocatesNothing(CacheName name) {
        allocatesNothing(KvCacheConfig.builder(name, GEOMETRY)
                .maxSequenceTokens(PROMPT + STEPS)
                .selection(new ValueSelection.TopN(4))
                .build());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {"topN(2); int8", "certified(0.05); int4", "certified(0.1); renormalise", "certified(0.1); mean"})
    void norDoesOneWithABound(String selection, String compensation) {
        allocatesNothing(KvCacheConfig.builder(CacheName.PYRAMID_KCACHE, GEOMETRY)
                .maxSequenceTokens(PROMPT + STEPS)
                .recentTokens(16)
                .tileCacheTiles(12)
                .set("selection", selection)
                .set("compensation", compensation)
                .build());
    }

    private void allocatesNothing(KvCacheConfig config) {
        try (Arena arena = Arena.ofShared();
                KvSequence sequence = leaks.open(config).openSequence()) {
            MemorySegment rows = arena.allocate(4L * PROMPT * GEOMETRY.queryRowElements(), 64);
            for (long i = 0; i < rows.byteSize() / 4; i++) {
                rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) Math.sin((double) i));
            }
            MemorySegment out = arena.allocate(rows.byteSize(), 64);
            int alive = PROMPT;
            sequence.beginPrompt(alive);
            for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                alive = sequence.attendPrompt(layer, alive, rows, rows, rows, out)
                        .count();
            }
            sequence.commit();
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long allocated = Long.MAX_VALUE;
            for (int round = 0; round < MAX_ROUNDS && allocated > 0; round++) {
                sequence.truncate(PROMPT);
                long before = threads.getCurrentThreadAllocatedBytes();
                run(sequence, STEPS, rows, out);
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            }
            assertEquals(0, allocated, "bytes in " + STEPS + " steps, once compiled");
        }
    }

    private static void run(KvSequence sequence, int steps, MemorySegment rows, MemorySegment out) {
        for (int step = 0; step < steps; step++) {
            sequence.beginToken();
            for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                sequence.attend(layer, rows, rows, rows, out);
            }
            sequence.commit();
        }
    }
}
