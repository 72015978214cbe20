package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.testing.EngineDouble;
import io.kvmanager.testing.LeakCheck;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pruning in generation against a plain version that keeps every query and recomputes every attention row. */
class GenerationPruningTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(3, 6, 2, 16, 8, ElementType.F32);

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    private KvCacheConfig config(String retention) {
        return KvCacheConfig.builder(CacheName.PYRAMID, GEOMETRY)
                .device("host:plain")
                .maxSequenceTokens(700)
                .maxSequences(2)
                .set("retention", retention)
                .build();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "layers(1/.3/.6,recent=20,queries=7)",
                "layers(1/.3/.6,recent=24,queries=24)",
                "layers(1/.3/.6,recent=7,queries=24)", // the older half has not seen all that it is asked about
                "pyramid(d=.5,recent=.2,mincontext=8,queries=5)",
                "local(sinks=2,recent=30)"
            })
    void keepsWhatTheRecentQueriesLikeMost(String retention) {
        KvCacheConfig config = config(retention);
        PyramidSchedule schedule = new PyramidSchedule(config.retention(), GEOMETRY.layers(), GEOMETRY.blockTokens());
        KvCache cache = leaks.open(config);
        try (EngineDouble engine = new EngineDouble(GEOMETRY, 77, 700);
                KvSequence sequence = cache.openSequence()) {
            engine.prompt(sequence, 90);
            int[] frontier = new int[GEOMETRY.layers()];
            for (int layer = 0; layer < frontier.length; layer++) {
                frontier[layer] =
                        Math.max(schedule.sinkTokens(), sequence.retained(layer) - schedule.recentAfterPrompt(90));
            }
            List<Map<Integer, int[]>> seenBy = seenInPrompt(config, sequence);
            for (int step = 0; step < 150; step++) {
                List<List<Integer>> expected = new ArrayList<>();
                int firstLayer = sequence.retained(0) + 1;
                for (int layer = 0; layer < frontier.length; layer++) {
                    List<Integer> slots = new ArrayList<>();
                    Arrays.stream(sequence.positions(layer)).forEach(slots::add);
                    slots.add(sequence.length());
                    expected.add(slots);
                    seenBy.get(layer)
                            .put(
                                    sequence.length(),
                                    slots.stream().mapToInt(Integer::intValue).toArray());
                }
                engine.token(sequence);
                int recent = schedule.recentInGeneration(firstLayer);
                for (int layer = 0; layer < frontier.length; layer++) {
                    List<Integer> slots = expected.get(layer);
                    while (schedule.prunesInGeneration(layer) && slots.size() - recent - frontier[layer] >= 16) {
                        prune(engine, config.retention(), schedule, layer, slots, frontier[layer], seenBy.get(layer));
                        frontier[layer] += schedule.keptOfWindow(layer);
                    }
                    assertArrayEquals(
                            slots.stream().mapToInt(Integer::intValue).toArray(),
                            sequence.positions(layer),
                            "layer " + layer + " step " + step);
                }
            }
        }
    }

    /** Which positions each query of the prompt saw, per layer: all before it, or those alive in the layer. */
    private static List<Map<Integer, int[]>> seenInPrompt(KvCacheConfig config, KvSequence sequence) {
        List<Map<Integer, int[]>> seenBy = new ArrayList<>();
        for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
            int[] alive = config.retention() instanceof RetentionPolicy.Pyramid
                    ? sequence.positions(layer)
                    : IntStream.range(0, sequence.length()).toArray();
            Map<Integer, int[]> ofLayer = new HashMap<>();
            for (int row = 0; row < alive.length; row++) {
                ofLayer.put(alive[row], Arrays.copyOf(alive, row + 1));
            }
            seenBy.add(ofLayer);
        }
        return seenBy;
    }

    private static void prune(
            EngineDouble engine,
            RetentionPolicy retention,
            PyramidSchedule schedule,
            int layer,
            List<Integer> slots,
            int frontier,
            Map<Integer, int[]> seenBy) {
        int newest = slots.get(slots.size() - 1);
        int oldest = Math.max(newest - schedule.observationQueries(layer) + 1, slots.get(frontier + 15));
        int voters = newest - oldest + 1;
        double[] score = new double[16];
        for (int i = 0; i < voters; i++) {
            int position = oldest + i;
            int[] seen = seenBy.get(position);
            double weight = retention instanceof RetentionPolicy.Pyramid pyramid
                    ? 1 + (pyramid.distanceWeight() - 1) * i / (voters - 1)
                    : 1;
            for (int head = 0; head < GEOMETRY.queryHeads(); head++) {
                double[] weights = engine.reference().weights(layer, engine.query(layer, position), head, seen);
                for (int c = 0; c < 16; c++) {
                    score[c] += weight * weights[Arrays.binarySearch(seen, slots.get(frontier + c))];
                }
            }
        }
        List<Integer> order = new ArrayList<>();
        for (int c = 0; c < 16; c++) {
            order.add(c);
        }
        order.sort(Comparator.comparingDouble((Integer c) -> -score[c]).thenComparing(c -> c));
        List<Integer> dropped = new ArrayList<>(order.subList(schedule.keptOfWindow(layer), 16));
        dropped.sort(Comparator.reverseOrder());
        for (int c : dropped) {
            slots.subList(frontier + c, frontier + c + 1).clear();
        }
    }

    @Test
    void longGenerationStarvesNoLayer() {
        for (String preset : List.of("paper-7b", "paper-13b", "half", "layers(1/.1/.1)")) {
            KvCache cache = leaks.open(config(preset));
            try (EngineDouble engine = new EngineDouble(GEOMETRY, 3, 700);
                    KvSequence sequence = cache.openSequence()) {
                engine.prompt(sequence, 40);
                for (int i = 0; i < 260; i++) {
                    engine.token(sequence);
                }
                for (int layer = 0; layer < GEOMETRY.layers(); layer++) {
                    int windows = sequence.retained(layer);
                    assertTrue(windows >= 300 / 16, preset + " layer " + layer + " keeps " + windows);
                    int[] positions = sequence.positions(layer);
                    assertEquals(299, positions[positions.length - 1]);
                    assertEquals(0, positions[0], "sinks stay");
                }
            }
        }
    }
}
