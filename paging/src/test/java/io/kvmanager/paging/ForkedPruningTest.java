package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Forks that part, and are suspended, keep what sequences keep that computed the same tokens alone. */
class ForkedPruningTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 2, 4, 4, ElementType.F32);
    private static final int LIMIT = 90;
    private static final int COMMON = 33;
    private static final int APART = 40;

    private final EngineDouble engine = new EngineDouble(GEOMETRY, 1, LIMIT);
    private final EngineDouble other = new EngineDouble(GEOMETRY, 2, LIMIT); // rows of its own from COMMON on

    @AfterEach
    void close() {
        engine.close();
        other.close();
    }

    private void common(KvSequence sequence) {
        engine.prompt(sequence, COMMON - 5, (layer, alive, row) -> null);
        for (int i = 0; i < 5; i++) {
            engine.token(sequence);
        }
        for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
            for (int position = 0; position < COMMON; position++) {
                other.reference().put(layer, position, engine.key(layer, position), engine.value(layer, position));
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "PAGED; all",
                "KCACHE; all",
                "PYRAMID; layers(.3/.7,recent=6,queries=5)",
                "PYRAMID; pyramid(d=.5,recent=.2,mincontext=4,queries=7)",
                "PYRAMID_KCACHE; layers(1/.5,recent=3,queries=3)",
                "PYRAMID_KCACHE; chunks(.5/1,size=12,queries=2,sinks=1)"
            })
    void partingForksAreAsSequencesAlone(CacheName cache, String retention) {
        KvCacheConfig config = KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain")
                .set("retention", retention)
                .selection(new ValueSelection.TopN(64))
                .compensation(Compensation.NONE)
                .recentTokens(6)
                .maxSequences(4)
                .maxSequenceTokens(LIMIT)
                .hostBytes(1 << 20)
                .build();
        try (PagedBackend backend = Backends.open(config)) {
            KvSequence parent = backend.openSequence();
            common(parent);
            KvSequence child = parent.fork();
            for (int i = 0; i < APART; i++) {
                engine.token(parent);
                other.token(child);
                move(i % 11 == 3, parent, KvSequence::suspend);
                move(i % 11 == 4, child, KvSequence::suspend);
                assertEquals(List.of(), backend.audit(), "step " + i);
                move(parent.suspended(), parent, KvSequence::resume);
                move(child.suspended(), child, KvSequence::resume);
                assertEquals(List.of(), backend.audit(), "step " + i);
            }
            requireAlone(backend, engine, parent);
            requireAlone(backend, other, child);
        }
    }

    private static void move(boolean due, KvSequence sequence, Consumer<KvSequence> move) {
        if (due) {
            move.accept(sequence);
        }
    }

    private void requireAlone(PagedBackend backend, EngineDouble continued, KvSequence sequence) {
        try (KvSequence alone = backend.openSequence()) {
            common(alone);
            for (int i = 0; i < APART; i++) {
                continued.token(alone);
            }
            for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                assertArrayEquals(alone.positions(layer), sequence.positions(layer), "layer " + layer);
            }
            assertEquals(alone.deviceBytes(), sequence.deviceBytes());
        }
    }
}
