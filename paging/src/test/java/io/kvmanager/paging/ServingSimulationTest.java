package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.MemoryPlan;
import io.kvmanager.PrefixCaching;
import io.kvmanager.ValueSelection;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/**
 * Random lives of random small caches. {@code -Dkv.simulation.schedules=n} runs n of them, {@code
 * -Dkv.simulation.seed=s} the one with seed s.
 */
class ServingSimulationTest {
    private static final AtomicLong HITS = new AtomicLong();
    private static final AtomicLong COPIES = new AtomicLong();
    private static final long FIRST_SEED = 1_000_000;
    private static final List<Compensation> COMPENSATIONS =
            List.of(Compensation.NONE, Compensation.RENORMALISE, Compensation.MEAN);

    @Test
    void everySlotHoldsWhatItsOwnerWrote() {
        Long only = Long.getLong("kv.simulation.seed");
        if (only != null) {
            run(only);
            return;
        }
        long schedules = Long.getLong("kv.simulation.schedules", 10_000);
        LongStream.range(FIRST_SEED, FIRST_SEED + schedules).parallel().forEach(ServingSimulationTest::run);
        assertTrue(HITS.get() > schedules / 100, HITS + " sequences began behind a cached prefix");
        assertTrue(COPIES.get() > schedules / 100, COPIES + " sequences began with a copied part of a block");
    }

    private static void run(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        try {
            KvCacheConfig config = config(random);
            int streamDepth = random.nextInt(3) == 0 ? 0 : 1 + random.nextInt(10);
            ServingSchedule schedule = new ServingSchedule(config, streamDepth, random);
            schedule.run(10 + random.nextInt(50));
            HITS.addAndGet(schedule.hits());
            COPIES.addAndGet(schedule.copies());
        } catch (AssertionError | RuntimeException e) {
            throw new AssertionError("run again with -Dkv.simulation.seed=" + seed + "\n" + e.getMessage(), e);
        }
    }

    private static KvCacheConfig config(SplittableRandom random) {
        CacheName[] names = {
            CacheName.PAGED, CacheName.LOCAL, CacheName.PYRAMID, CacheName.KCACHE, CacheName.PYRAMID_KCACHE
        };
        int layers = 1 + random.nextInt(3);
        int kvHeads = 1 + random.nextInt(2);
        CacheGeometry geometry = new CacheGeometry(
                layers,
                kvHeads * (1 + random.nextInt(2)),
                kvHeads,
                SlotModel.HEAD_SIZE,
                2 << random.nextInt(3),
                ElementType.F32);
        CacheName name = names[random.nextInt(names.length)];
        KvCacheConfig.Builder builder = KvCacheConfig.builder(name, geometry)
                .device("host:plain") // for its plan; the device is the virtual one
                .maxSequences(1)
                .maxSequenceTokens(20 + random.nextInt(60))
                .selection(new ValueSelection.TopN(1 + random.nextInt(4)))
                .compensation(COMPENSATIONS.get(random.nextInt(3)))
                .sinkBlocks(random.nextInt(3))
                .recentTokens(random.nextInt(20))
                .residentValueLayers(random.nextInt(2))
                .watermark(random.nextInt(2) * random.nextDouble() / 4);
        if (name == CacheName.LOCAL || name == CacheName.PYRAMID || name == CacheName.PYRAMID_KCACHE) {
            builder.set("retention", retention(name, layers, random));
        }
        if (random.nextInt(3) > 0) {
            cachePrefixes(builder, random);
        }
        MemoryPlan one = new PagedPlan(builder.build()).memoryPlan();
        int maxSequences = 1 + random.nextInt(5);
        MemoryPlan all = new PagedPlan(builder.maxSequences(maxSequences).build()).memoryPlan();
        int spare = random.nextInt(2 * one.sequenceBlocksPeak());
        long slabBlocks = (long) one.blocks() + (maxSequences > 1 ? spare : 0);
        int hostBlocks = random.nextInt(3) == 0 ? 0 : random.nextInt(3 * one.sequenceBlocksPeak());
        return builder.deviceBytes(all.tableBytes()
                        + all.workspaceBytes()
                        + slabBlocks * geometry.blockBytes()
                        + (long) hostBlocks * geometry.kvHeads() * 8) // tile tables and reaches grow with the homes
                .hostBytes(one.hostBytes() + (long) hostBlocks * geometry.blockBytes())
                .build();
    }

    /** Where that is possible. */
    private static void cachePrefixes(KvCacheConfig.Builder builder, SplittableRandom random) {
        List<String> orders = EvictionOrders.names();
        try {
            builder.prefixes(new PrefixCaching(orders.get(random.nextInt(orders.size())), "model"))
                    .build();
        } catch (IllegalArgumentException unshared) {
            builder.prefixes(PrefixCaching.OFF);
        }
    }

    private static String retention(CacheName name, int layers, SplittableRandom random) {
        if (name == CacheName.LOCAL) {
            return "local(sinks=" + random.nextInt(5) + ",recent=" + (1 + random.nextInt(20)) + ")";
        }
        String shares = IntStream.range(0, layers)
                .mapToObj(layer -> List.of("1", ".5", ".2").get(random.nextInt(3)))
                .collect(Collectors.joining("/"));
        return switch (random.nextInt(4)) {
            case 0 -> "layers(" + shares + ",recent=" + (1 + random.nextInt(12)) + ",sinks=2,queries=3)";
            case 1 -> "chunks(" + shares + ",size=" + (8 << random.nextInt(2)) + ",sinks=1,queries=2)";
            case 2 -> "pyramid(curve=constant,d=.5,recent=.2,first=0,mincontext=3)";
            default -> "half";
        };
    }
}
