package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheName;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.DeviceFailure;
import io.kvmanager.KvSequence;
import io.kvmanager.Tier;
import io.kvmanager.testing.CudaAvailable;
import io.kvmanager.testing.EngineDouble;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandleProxies;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The emulated CUDA driver refuses the n-th thing that it is asked for, for every n in a cache's life: while it opens,
 * in a prompt, a token, a fork, a suspension. The error is typed, sequences give everything back, the next request is
 * served, and closing leaves nothing in the driver.
 */
@Tag("emulation")
@ExtendWith(CudaAvailable.class)
class CudaAllocationFailureTest {
    private static final long SEED = 6;
    private static final int OUT_OF_MEMORY = 2; // CUDA_ERROR_OUT_OF_MEMORY
    private static final int MANY = 500;
    private static final List<String> LIVE =
            List.of("device_allocations", "host_allocations", "streams", "events", "graphs", "modules", "contexts");

    private static final SymbolLookup DRIVER = SymbolLookup.libraryLookup("libcuda.so.1", Arena.global());
    private static final Fail FAIL = bind(
            Fail.class,
            "fail",
            FunctionDescriptor.ofVoid(ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
    private static final Count COUNT =
            bind(Count.class, "count", FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.ADDRESS));

    /** {@code kv_emulation_fail}. */
    @FunctionalInterface
    public interface Fail {
        void call(MemorySegment what, long nth, int result);
    }

    /** {@code kv_emulation_count}. */
    @FunctionalInterface
    public interface Count {
        long call(MemorySegment what);
    }

    private static <T> T bind(Class<T> type, String name, FunctionDescriptor descriptor) {
        MemorySegment address = DRIVER.findOrThrow("kv_emulation_" + name);
        return MethodHandleProxies.asInterfaceInstance(
                type, Linker.nativeLinker().downcallHandle(address, descriptor));
    }

    private static void fail(String what, long nth) {
        try (Arena arena = Arena.ofConfined()) {
            FAIL.call(arena.allocateFrom(what), nth, OUT_OF_MEMORY);
        }
    }

    private static long count(String what) {
        try (Arena arena = Arena.ofConfined()) {
            return COUNT.call(arena.allocateFrom(what));
        }
    }

    @AfterEach
    void takeFaultsBack() {
        LIVE.forEach(what -> fail(fault(what), 0));
    }

    private static String fault(String live) {
        return live.equals("device_allocations") ? "device_memory" : live.replaceFirst("s$", "");
    }

    @ParameterizedTest
    @ValueSource(strings = {"device_memory", "host_memory", "stream", "event", "module", "context"})
    void whatIsRefusedIsGivenBack(String what) {
        int opening = 0;
        int nth = 1;
        for (; nth < MANY; nth++) {
            fail(what, nth);
            String refused = live(what + " " + nth);
            for (String each : LIVE) {
                assertEquals(0, count(each), each + " behind " + what + " " + nth);
            }
            if (refused.isEmpty()) {
                break;
            }
            opening += refused.equals("open") ? 1 : 0;
        }
        assertTrue(opening > 0 && nth < MANY, what + ": " + opening + " of " + (nth - 1) + " while opening");
        if (what.equals("host_memory")) {
            assertTrue(nth - 1 > opening, "rows of an engine are brought over in pinned memory");
        }
    }

    /** One life; returns the step in which something was refused, or nothing. */
    private static String live(String fault) {
        KvCacheConfig config = AllocationFailureTest.builder(CacheName.PYRAMID_KCACHE)
                .device(CudaAvailable.DEVICE)
                .build();
        KvCache opened;
        try {
            opened = KvCache.open(config);
        } catch (DeviceFailure e) {
            assertFalse(e.isFinal(), e.getMessage());
            return "open";
        }
        try (KvCache cache = opened;
                EngineDouble engine =
                        new EngineDouble(AllocationFailureTest.GEOMETRY, SEED, AllocationFailureTest.LONGEST)) {
            long empty = cache.ledger().usedBytes(Tier.DEVICE);
            List<KvSequence> open = new ArrayList<>();
            String refused = "";
            for (var step : AllocationFailureTest.steps(cache, engine, open).entrySet()) {
                try {
                    step.getValue().run();
                } catch (DeviceFailure e) {
                    assertFalse(e.isFinal(), e.getMessage());
                    refused = step.getKey();
                    break;
                }
            }
            open.forEach(KvSequence::close);
            assertEquals(List.of(), cache.audit(), fault);
            assertEquals(empty, cache.ledger().usedBytes(Tier.DEVICE), fault);
            assertEquals(0, cache.ledger().usedBytes(Tier.HOST), fault);
            AllocationFailureTest.assertServes(cache);
            return refused;
        }
    }
}
