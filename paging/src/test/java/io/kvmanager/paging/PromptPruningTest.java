package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.testing.EngineDouble;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a first prompt leaves in each layer, against attention rows that are computed and sorted here. */
class PromptPruningTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(3, 4, 2, 8, 8, ElementType.F32);
    private static final int TOKENS = 61;
    private static final long SEED = 31;

    private final EngineDouble engine = new EngineDouble(GEOMETRY, SEED, 100);

    @ParameterizedTest
    @ValueSource(
            strings = {
                "layers(1/.3/.6,recent=20,queries=7,sinks=3,pool=5)",
                "layers(.2/.3/.6,recent=9,queries=30,sinks=0,pool=1)",
                "layers(.01/.9/.01,recent=11,queries=4,sinks=5)",
                "local(sinks=2,recent=30)",
                "pyramid(curve=constant,d=.6,recent=.2,mincontext=8,weight=3,sinks=2)",
                "pyramid(curve=constant,d=.8,recent=0,mincontext=4,weight=3,sinks=0)"
            })
    void keepsSinksTheBestAndTheNewest(String retention) {
        KvCacheConfig config = KvCacheConfig.builder(CacheName.PYRAMID, GEOMETRY)
                .device("host:plain")
                .set("retention", retention)
                .maxSequenceTokens(100)
                .build();
        PyramidSchedule schedule = new PyramidSchedule(config.retention(), 3, 8);
        try (PagedBackend backend = Backends.open(config);
                KvSequence sequence = backend.openSequence()) {
            engine.prompt(sequence, TOKENS);
            int recent = schedule.recentAfterPrompt(TOKENS);
            int[] alive = IntStream.range(0, TOKENS).toArray();
            for (int layer = 0; layer < 3; layer++) {
                int[] kept = alive;
                if (config.retention() instanceof RetentionPolicy.Pyramid) {
                    int next = schedule.propagatedRows(layer, alive.length, TOKENS);
                    alive = chosen(config.retention(), layer, alive, next, 1 + recent);
                } else {
                    int keep = schedule.keptAfterPrompt(layer, TOKENS);
                    kept = chosen(config.retention(), layer, alive, keep, Math.min(recent, keep));
                }
                assertArrayEquals(kept, sequence.positions(layer), "layer " + layer + ", seed " + SEED);
            }
            for (int i = 0; i < 20; i++) {
                engine.token(sequence);
            }
        } finally {
            engine.close();
        }
    }

    /** The newest {@code recent} of the rows, and the best of those before them; {@code keep} in all. */
    private int[] chosen(RetentionPolicy retention, int layer, int[] alive, int keep, int recent) {
        int context = alive.length - recent;
        int voters = recent;
        int sinks = 0;
        int reach = 0;
        double newest = 1;
        switch (retention) {
            case RetentionPolicy.Local local -> {
                sinks = local.sinkTokens();
                voters = 0;
            }
            case RetentionPolicy.PerLayer perLayer -> {
                sinks = perLayer.sinkTokens();
                voters = Math.min(recent, perLayer.observationQueries());
                reach = perLayer.poolingWidth() / 2;
            }
            case RetentionPolicy.Pyramid pyramid -> {
                sinks = pyramid.sinkTokens();
                newest = pyramid.distanceWeight();
            }
            default -> throw new IllegalArgumentException(retention.toString());
        }
        double[] votes = new double[context];
        for (int i = 0; i < voters; i++) {
            int row = alive.length - voters + i;
            double weight = voters == 1 ? 1 : 1 + (newest - 1) * i / (voters - 1);
            for (int head = 0; head < GEOMETRY.queryHeads(); head++) {
                double[] paid = engine.reference()
                        .weights(layer, engine.query(layer, alive[row]), head, Arrays.copyOf(alive, row + 1));
                for (int slot = 0; slot < context; slot++) {
                    votes[slot] += weight * paid[slot];
                }
            }
        }
        double[] scores = new double[context];
        for (int slot = 0; slot < context; slot++) {
            int from = Math.max(0, slot - reach);
            int to = Math.min(context, slot + reach + 1);
            scores[slot] = slot < sinks
                    ? Double.POSITIVE_INFINITY
                    : Arrays.stream(votes, from, to).max().orElseThrow();
        }
        IntStream best = IntStream.range(0, context)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer slot) -> -scores[slot]))
                .limit(keep - recent)
                .mapToInt(slot -> alive[slot]);
        return IntStream.concat(best, Arrays.stream(alive, context, alive.length))
                .sorted()
                .toArray();
    }
}
