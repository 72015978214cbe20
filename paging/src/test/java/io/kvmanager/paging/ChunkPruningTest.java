package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import io.kvmanager.testing.LeakCheck;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Selection at chunk boundaries, against a plain implementation; and that only the prefix decides it. */
class ChunkPruningTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(3, 6, 2, 16, 8, ElementType.F32);
    private static final String RETENTION = "chunks(1/.3/.5,size=48,queries=7,sinks=2,pool=3)";
    private static final int TOKENS = 400;

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    private KvCache open(CacheName cache) {
        return leaks.open(KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain")
                .maxSequenceTokens(TOKENS)
                .maxSequences(2)
                .selection(new ValueSelection.TopN(64)) // everything is read, so only retention differs
                .recentTokens(16)
                .set("retention", RETENTION)
                .build());
    }

    /** What a layer keeps, token by token, by the definition. */
    private static final class Plain {
        private final EngineDouble engine;
        private final RetentionPolicy.PerChunk policy = (RetentionPolicy.PerChunk) RetentionPolicy.parse(RETENTION);
        private final int layer;
        private final List<int[]> seenBy = new ArrayList<>();
        private List<Integer> kept = new ArrayList<>();
        private int tokens;

        Plain(EngineDouble engine, int layer) {
            this.engine = engine;
            this.layer = layer;
        }

        /** Adds a token and returns what its query sees. */
        int[] add() {
            kept.add(tokens++);
            int[] seen = array();
            seenBy.add(seen);
            return seen;
        }

        int[] array() {
            return kept.stream().mapToInt(Integer::intValue).toArray();
        }

        void pruneIfComplete() {
            int size = policy.chunkTokens();
            int keep = policy.kept(layer, GEOMETRY.blockTokens());
            if (tokens % size != 0 || keep == size) {
                return;
            }
            List<Integer> older = kept.subList(0, kept.size() - size);
            List<Integer> chunk = kept.subList(kept.size() - size, kept.size());
            int voters = policy.observationQueries();
            double[] score = new double[size - voters];
            for (int position = tokens - voters; position < tokens; position++) {
                int[] seen = seenBy.get(position);
                for (int head = 0; head < GEOMETRY.queryHeads(); head++) {
                    double[] weights = engine.reference().weights(layer, engine.query(layer, position), head, seen);
                    for (int c = 0; c < score.length; c++) {
                        score[c] += weights[older.size() + c];
                    }
                }
            }
            double[] pooled = new double[score.length];
            int reach = policy.poolingWidth() / 2;
            for (int c = 0; c < score.length; c++) {
                int from = Math.max(0, c - reach);
                int to = Math.min(score.length, c + reach + 1);
                pooled[c] = IntStream.range(from, to)
                        .mapToDouble(i -> score[i])
                        .max()
                        .orElseThrow();
                if (tokens == size && c < policy.sinkTokens()) {
                    pooled[c] = Double.POSITIVE_INFINITY;
                }
            }
            List<Integer> chosen = IntStream.range(0, score.length)
                    .boxed()
                    .sorted(Comparator.comparingDouble((Integer c) -> -pooled[c])
                            .thenComparing(c -> c))
                    .limit(keep - voters)
                    .sorted()
                    .toList();
            List<Integer> after = new ArrayList<>(older);
            chosen.forEach(c -> after.add(chunk.get(c)));
            after.addAll(chunk.subList(size - voters, size));
            kept = after;
        }
    }

    @ParameterizedTest
    @CsvSource({"PYRAMID, 130", "PYRAMID, 48", "PYRAMID, 47", "PYRAMID, 1", "PYRAMID_KCACHE, 200"})
    void promptAndGenerationKeepWhatTheDefinitionSays(CacheName name, int prompt) {
        try (EngineDouble engine = new EngineDouble(GEOMETRY, 41, TOKENS);
                KvSequence sequence = open(name).openSequence()) {
            List<Plain> plain = plain(engine);
            promptAgainst(engine, sequence, plain, prompt);
            for (int i = 0; i < 110; i++) {
                engine.token(sequence);
                for (int layer = 0; layer < plain.size(); layer++) {
                    plain.get(layer).add();
                    plain.get(layer).pruneIfComplete();
                    assertArrayEquals(plain.get(layer).array(), sequence.positions(layer), "layer " + layer);
                }
            }
            promptAgainst(engine, sequence, plain, 70);
            leaks.audit();
        }
    }

    private static List<Plain> plain(EngineDouble engine) {
        return IntStream.range(0, GEOMETRY.layers())
                .mapToObj(layer -> new Plain(engine, layer))
                .toList();
    }

    private static void promptAgainst(EngineDouble engine, KvSequence sequence, List<Plain> plain, int tokens) {
        engine.prompt(sequence, tokens, (layer, alive, row) -> {
            int[] seen = plain.get(layer).add();
            plain.get(layer).pruneIfComplete();
            return engine.reference().attend(layer, engine.query(layer, alive[row]), seen);
        });
        for (int layer = 0; layer < plain.size(); layer++) {
            assertArrayEquals(plain.get(layer).array(), sequence.positions(layer), "layer " + layer);
        }
    }

    @Test
    void whatComesBehindAPrefixDoesNotChangeIt() {
        KvCache cache = open(CacheName.PYRAMID);
        try (EngineDouble engine = new EngineDouble(GEOMETRY, 42, TOKENS);
                KvSequence whole = cache.openSequence();
                KvSequence parts = cache.openSequence()) {
            promptAgainst(engine, whole, plain(engine), 300);
            List<Plain> plain = plain(engine);
            promptAgainst(engine, parts, plain, 100);
            promptAgainst(engine, parts, plain, 7);
            promptAgainst(engine, parts, plain, 193);
            for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                assertArrayEquals(whole.positions(layer), parts.positions(layer), "layer " + layer);
            }
        }
    }

    @Test
    void sizesThatDoNotFitAreRefused() {
        KvCacheConfig.Builder builder =
                KvCacheConfig.builder(CacheName.PYRAMID, GEOMETRY).set("retention", "chunks(1/1/1,size=50,queries=4)");
        assertEquals(
                "chunk size 50 is not accepted; accepted: a multiple of blockTokens 8",
                assertThrows(IllegalArgumentException.class, builder::build).getMessage());
        assertThrows(IllegalArgumentException.class, () -> RetentionPolicy.parse("chunks(1/.5,size=8,queries=16)"));
    }
}
