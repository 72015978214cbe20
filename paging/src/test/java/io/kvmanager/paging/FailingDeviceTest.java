package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.DeviceFailure;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.PrefixCaching;
import io.kvmanager.PrefixRequest;
import io.kvmanager.StepBatch;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.KvCacheBackend;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.testing.EngineDouble;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A device whose n-th call fails, for every n that a short life comes to: what it hits can be closed, nothing is lost,
 * and the same life then runs to its end.
 */
class FailingDeviceTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 2, 1, 4, 4, ElementType.F32);
    private static final Set<String> DEVICE_CALLS = Set.of("write", "copy");
    private static final int NEVER = Integer.MAX_VALUE;

    private int callsLeft = NEVER;

    private static KvCacheConfig config(CacheName cache, String retention, Compensation compensation) {
        KvCacheConfig.Builder builder = KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain") // for its plan
                .set("retention", retention)
                .selection(new ValueSelection.TopN(64))
                .compensation(compensation)
                .recentTokens(6)
                .maxSequences(4)
                .maxSequenceTokens(48)
                .hostBytes(200L * GEOMETRY.blockBytes());
        if (cache != CacheName.FULL && retention.equals("all") && compensation != Compensation.MEAN) {
            builder.prefixes(new PrefixCaching("lru", "model"));
        }
        return builder.build();
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
        FULL; all; NONE
        PAGED; all; NONE
        PYRAMID; layers(1/.5,recent=4,sinks=2,queries=3); NONE
        KCACHE; all; MEAN
        KCACHE; all; RENORMALISE
        PYRAMID_KCACHE; chunks(.5/1,size=8,sinks=1,queries=2); NONE
        """)
    void nothingIsLostWhicheverCallFails(CacheName name, String retention, Compensation compensation) {
        KvCacheConfig config = config(name, retention, compensation);
        KvCacheBackend backend = name == CacheName.FULL
                ? new ContiguousBackend(config, device())
                : new PagedBackend(config, new PagedPlan(config), device());
        Ledger atOpen = backend.ledger();
        int failures = 0;
        try (EngineDouble engine = new EngineDouble(GEOMETRY, 7, 48)) {
            while (fails(backend, config, engine, failures)) {
                failures++;
                assertEquals(List.of(), backend.audit(), "call " + failures);
                if (!config.prefixes().enabled()) {
                    assertEquals(atOpen, backend.ledger(), "call " + failures);
                }
            }
        }
        assertTrue(failures > 50, failures + " calls");
        assertEquals(List.of(), backend.audit());
        backend.close();
    }

    /** Runs the life with its {@code call}-th call failing; false if it does not come to so many calls. */
    private boolean fails(KvCacheBackend backend, KvCacheConfig config, EngineDouble engine, int call) {
        List<KvSequence> open = new ArrayList<>();
        callsLeft = call;
        try {
            live(backend, config, engine, open);
            return false;
        } catch (DeviceFailure failure) {
            callsLeft = NEVER;
            assertEquals(List.of(), backend.audit());
            return true;
        } finally {
            callsLeft = NEVER;
            open.forEach(KvSequence::close);
        }
    }

    private static void live(KvCacheBackend backend, KvCacheConfig config, EngineDouble engine, List<KvSequence> open) {
        boolean paged = config.cache() != CacheName.FULL;
        KvSequence first = config.prefixes().enabled()
                ? backend.openSequence(PrefixRequest.of(IntStream.range(0, 21).toArray()))
                : backend.openSequence();
        open.add(first);
        engine.prompt(first, 21 - first.length(), (layer, alive, row) -> null); // tokens are compared
        if (config.prefixes().enabled()) {
            beginsWithACopy(backend, engine, open);
        }
        KvSequence child = first.fork();
        open.add(child);
        if (paged) {
            moving(first, first::suspend);
            moving(first, first::resume);
        }
        StepBatch batch = new StepBatch();
        batch.token(first);
        batch.token(child);
        backend.begin(batch);
        engine.begunToken(first);
        engine.begunToken(child);
        for (int i = 0; i < 9; i++) {
            engine.token(child);
        }
        child.truncate(13);
        engine.token(child);
    }

    /** Another 19th token, in the middle of a block. */
    private static void beginsWithACopy(KvCacheBackend backend, EngineDouble engine, List<KvSequence> open) {
        int[] tokens = IntStream.range(0, 19).toArray();
        tokens[18] = -1;
        KvSequence other = backend.openSequence(PrefixRequest.of(tokens));
        open.add(other);
        assertEquals(18, other.length());
        engine.prompt(other, 3, (layer, alive, row) -> null);
        engine.token(other);
        open.remove(other);
        other.close();
    }

    /** A move that fails leaves the sequence where it was. */
    private static void moving(KvSequence sequence, Runnable move) {
        boolean suspended = sequence.suspended();
        try {
            move.run();
        } catch (DeviceFailure failure) {
            assertEquals(suspended, sequence.suspended());
            throw failure;
        }
    }

    @ParameterizedTest
    @CsvSource({"FULL", "PAGED"})
    void aStepThatFailedCannotGoOn(CacheName name) {
        KvCacheConfig config = config(name, "all", Compensation.NONE);
        try (KvCacheBackend backend = name == CacheName.FULL
                        ? new ContiguousBackend(config, device())
                        : new PagedBackend(config, new PagedPlan(config), device());
                EngineDouble engine = new EngineDouble(GEOMETRY, 7, 48)) {
            KvSequence sequence = backend.openSequence();
            engine.prompt(sequence, 9);
            sequence.beginToken();
            callsLeft = 1;
            assertThrows(DeviceFailure.class, () -> engine.begunToken(sequence));
            callsLeft = NEVER;
            assertThrows(IllegalStateException.class, () -> engine.begunToken(sequence));
            assertThrows(IllegalStateException.class, sequence::commit);
            assertThrows(IllegalStateException.class, sequence::beginToken);
            sequence.close();
            KvSequence next = backend.openSequence();
            engine.prompt(next, 9);
            next.close();
        }
    }

    private void assertBroken(KvSequence sequence) {
        callsLeft = NEVER;
        assertEquals(
                "a step of the sequence failed; it can only be closed",
                assertThrows(IllegalStateException.class, sequence::beginToken).getMessage());
        sequence.close();
    }

    /** Fails the first call behind the output of a layer. */
    private double[] failBehind(int layer, int failing) {
        callsLeft = layer == failing ? 0 : callsLeft;
        return null;
    }

    @ParameterizedTest
    @CsvSource({"FULL", "KCACHE"})
    void whateverFailsHalfWayEndsTheSequence(CacheName name) {
        KvCacheConfig config = config(name, "all", Compensation.MEAN);
        try (KvCacheBackend backend = name == CacheName.FULL
                        ? new ContiguousBackend(config, device())
                        : new PagedBackend(config, new PagedPlan(config), device());
                EngineDouble engine = new EngineDouble(GEOMETRY, 7, 48)) {
            KvSequence inPrompt = backend.openSequence();
            assertThrows(
                    DeviceFailure.class, () -> engine.prompt(inPrompt, 9, (layer, alive, row) -> failBehind(layer, 0)));
            assertBroken(inPrompt);
            if (name == CacheName.KCACHE) {
                KvSequence atBegin = backend.openSequence();
                engine.prompt(atBegin, 16, (layer, alive, row) -> null);
                callsLeft = 0;
                assertThrows(DeviceFailure.class, atBegin::beginToken);
                assertBroken(atBegin);
                KvSequence atCommit = backend.openSequence();
                engine.prompt(atCommit, 15, (layer, alive, row) -> null);
                assertThrows(
                        DeviceFailure.class, () -> engine.token(atCommit, (layer, positions) -> failBehind(layer, 1)));
                assertBroken(atCommit);
                KvSequence atCut = backend.openSequence();
                engine.prompt(atCut, 40, (layer, alive, row) -> null);
                callsLeft = 0;
                assertThrows(DeviceFailure.class, () -> atCut.truncate(13));
                assertBroken(atCut);
            }
            assertEquals(List.of(), backend.audit());
        }
    }

    // ---- the device ----

    private Device device() {
        Device device = ProviderSelection.device("host:plain");
        return (Device) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {Device.class}, (proxy, method, arguments) -> {
                    if (DEVICE_CALLS.contains(method.getName())) {
                        count(method);
                    }
                    Object result = call(device, method, arguments);
                    return result instanceof AttentionKernels kernels ? failing(kernels) : result;
                });
    }

    private Object failing(AttentionKernels kernels) {
        return Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {AttentionKernels.class}, (proxy, method, arguments) -> {
                    count(method);
                    return call(kernels, method, arguments);
                });
    }

    private void count(Method method) {
        if (callsLeft != NEVER && callsLeft-- == 0) {
            throw new DeviceFailure(method.getName(), "INJECTED", false, "");
        }
    }

    private static Object call(Object target, Method method, Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getTargetException();
        }
    }
}
