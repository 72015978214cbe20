package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.CapturedStep;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Steps that are captured once and replayed, on devices that can. A subclass names the device. */
public abstract class CapturedStepContract {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 2, 32, 16, ElementType.BF16);
    private static final int PROMPT = 37;
    private static final int TOKENS = 50;

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    /** The device to run on, as a user writes it. */
    protected abstract String device();

    static Stream<Arguments> caches() {
        List<Arguments> cases = new ArrayList<>();
        cases.add(Arguments.of(CacheName.PAGED, "topN(2)", Compensation.NONE, "all"));
        for (Compensation compensation : List.of(Compensation.NONE, Compensation.RENORMALISE, Compensation.MEAN)) {
            cases.add(Arguments.of(CacheName.KCACHE, "topN(2)", compensation, "all"));
        }
        for (Compensation compensation : List.of(Compensation.RENORMALISE, Compensation.MEAN, Compensation.INT4)) {
            cases.add(Arguments.of(CacheName.KCACHE, "certified(0.1)", compensation, "all"));
        }
        cases.add(Arguments.of(CacheName.PYRAMID_KCACHE, "topN(2)", Compensation.RENORMALISE, "layers(1/.3)"));
        return cases.stream();
    }

    private KvCache open(CacheName cache, String selection, Compensation compensation, String retention) {
        return leaks.open(KvCacheConfig.builder(cache, GEOMETRY)
                .device(device())
                .maxSequences(3)
                .maxSequenceTokens(128)
                .selection(ValueSelection.parse(selection))
                .tileCacheTiles(4)
                .recentTokens(16)
                .compensation(compensation)
                .set("retention", retention)
                .build());
    }

    /** Rows of one layer in device memory, and the same in host memory. */
    private static final class Rows {
        final MemorySegment q;
        final MemorySegment k;
        final MemorySegment v;
        final MemorySegment out;

        Rows(Device device) {
            q = device.allocate(Tier.DEVICE, 4L * GEOMETRY.queryRowElements());
            k = device.allocate(Tier.DEVICE, 4L * GEOMETRY.keyValueRowElements());
            v = device.allocate(Tier.DEVICE, 4L * GEOMETRY.keyValueRowElements());
            out = device.allocate(Tier.DEVICE, 4L * GEOMETRY.queryRowElements());
        }
    }

    private static MemorySegment random(Arena arena, SplittableRandom random, int elements) {
        MemorySegment row = arena.allocate(4L * elements, 64);
        for (int i = 0; i < elements; i++) {
            row.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
        }
        return row;
    }

    private static void prompt(KvSequence sequence) {
        try (EngineDouble engine = new EngineDouble(GEOMETRY, 5, PROMPT)) {
            engine.prompt(sequence, PROMPT);
        }
    }

    @ParameterizedTest
    @MethodSource("caches")
    void replayedStepsEqualLaunchedOnes(CacheName name, String selection, Compensation compensation, String retention) {
        // A cache each: sequences of one cache share its tile slots, and would see each other's fetches.
        KvCache launched = open(name, selection, compensation, retention);
        KvCache replayed = open(name, selection, compensation, retention);
        SplittableRandom random = new SplittableRandom(11);
        try (Device memory = ProviderSelection.device(device());
                Arena arena = Arena.ofShared();
                KvSequence eager = launched.openSequence();
                KvSequence captured = replayed.openSequence()) {
            prompt(eager);
            prompt(captured);
            List<Rows> rows = Stream.generate(() -> new Rows(memory))
                    .limit(GEOMETRY.layers())
                    .toList();
            CapturedStep step = null;
            for (int token = 0; token < TOKENS; token++) {
                List<MemorySegment> expected = new ArrayList<>();
                eager.beginToken();
                for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                    MemorySegment q = random(arena, random, GEOMETRY.queryRowElements());
                    MemorySegment k = random(arena, random, GEOMETRY.keyValueRowElements());
                    MemorySegment v = random(arena, random, GEOMETRY.keyValueRowElements());
                    expected.add(arena.allocate(q.byteSize(), 64));
                    eager.attend(layer, q, k, v, expected.get(layer));
                    Rows row = rows.get(layer);
                    memory.write(q, row.q, 0, q.byteSize());
                    memory.write(k, row.k, 0, k.byteSize());
                    memory.write(v, row.v, 0, v.byteSize());
                }
                eager.commit();
                memory.synchronize();
                captured.beginToken();
                if (step == null) {
                    step = captured.capture(() -> attend(captured, rows));
                }
                step.replay();
                captured.commit();
                replayed.synchronize();
                for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                    MemorySegment out = arena.allocate(expected.get(layer).byteSize(), 64);
                    memory.read(rows.get(layer).out, 0, out, out.byteSize());
                    assertArrayEquals(
                            expected.get(layer).toArray(ValueLayout.JAVA_FLOAT),
                            out.toArray(ValueLayout.JAVA_FLOAT),
                            2e-5f,
                            "token " + token + " layer " + layer);
                }
            }
            assertEquals(eager.fetchReport(), captured.fetchReport());
            leaks.audit();
        }
    }

    private static void attend(KvSequence sequence, List<Rows> rows) {
        for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
            Rows row = rows.get(layer);
            sequence.attend(layer, row.q, row.k, row.v, row.out);
        }
    }

    @Test
    void misuseIsRefused() {
        KvCache cache = open(CacheName.PYRAMID_KCACHE, "topN(2)", Compensation.RENORMALISE, "layers(1/.3)");
        try (Device memory = ProviderSelection.device(device());
                Arena arena = Arena.ofShared()) {
            List<Rows> rows = Stream.generate(() -> new Rows(memory))
                    .limit(GEOMETRY.layers())
                    .toList();
            MemorySegment host = arena.allocate(4L * GEOMETRY.queryRowElements(), 64);
            KvSequence sequence = cache.openSequence();
            prompt(sequence);
            assertThrows(IllegalStateException.class, () -> sequence.capture(() -> attend(sequence, rows)));
            sequence.beginToken();
            assertThrows(
                    IllegalArgumentException.class,
                    () -> sequence.capture(() -> sequence.attend(0, host, host, host, host)));
            CapturedStep step = sequence.capture(() -> attend(sequence, rows));
            step.replay();
            assertThrows(IllegalStateException.class, step::replay);
            sequence.commit();
            assertThrows(IllegalStateException.class, step::replay);
            sequence.close();
            assertThrows(IllegalStateException.class, step::replay);
            step.close();
        }
    }
}
