package io.kvmanager.bench.stress;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.MemoryPlan;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.PrefixCaching;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.ProviderSelection;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A small cache whose budgets are far too tight for the sequences that it may have open.
 *
 * @param config what it is opened with, on a faulty device
 */
record StressSetting(KvCacheConfig config) {
    /** A budget that is drawn: what one to three sequences need. */
    static final long DRAWN = 0;

    private static final int MOST_SEQUENCES = 32;
    private static final int LEAST_TOKENS = 12;
    private static final int ALL_TILES = 64;
    private static final List<Compensation> COMPENSATIONS = List.of(Compensation.values());

    /** Caches whose layers tell which positions they hold, for all KV heads alike: without that there is no oracle. */
    static final Set<CacheName> CACHES = EnumSet.range(CacheName.FULL, CacheName.PYRAMID_KCACHE);

    /** Draws everything but the cache, the device and budgets that are given. */
    static StressSetting draw(CacheName cache, StressOptions options, SplittableRandom random) {
        int kvHeads = 1 + random.nextInt(2);
        CacheGeometry geometry = new CacheGeometry(
                1 + random.nextInt(3),
                kvHeads * (1 + random.nextInt(2)),
                kvHeads,
                8 << random.nextInt(3),
                4 << random.nextInt(2),
                random.nextInt(3) == 0 ? ElementType.F32 : ElementType.BF16);
        boolean readsAll = random.nextInt(3) > 0;
        KvCacheConfig.Builder builder = KvCacheConfig.builder(cache, geometry)
                .device(FaultyDeviceProvider.PREFIX + options.device())
                .maxSequenceTokens(24 + random.nextInt(72))
                .selection(new ValueSelection.TopN(readsAll ? ALL_TILES : 1 + random.nextInt(3)))
                .compensation(COMPENSATIONS.get(random.nextInt(COMPENSATIONS.size())))
                .sinkBlocks(random.nextInt(3))
                .recentTokens(random.nextInt(20))
                .residentValueLayers(random.nextInt(4) == 0 ? 1 : 0)
                .watermark(random.nextInt(2) * random.nextDouble() / 4);
        setIfAccepted(builder, retention(cache, geometry.layers(), random));
        if (random.nextInt(3) > 0) {
            cachePrefixes(builder, random);
        }
        return new StressSetting(budgeted(builder, options, random));
    }

    private static void setIfAccepted(KvCacheConfig.Builder builder, String retention) {
        try {
            builder.set("retention", retention).build();
        } catch (IllegalArgumentException keepsAll) {
            builder.set("retention", "all");
        }
    }

    private static String retention(CacheName cache, int layers, SplittableRandom random) {
        if (cache == CacheName.LOCAL) {
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

    private static void cachePrefixes(KvCacheConfig.Builder builder, SplittableRandom random) {
        List<String> policies = ProviderSelection.prefixCaches().policies();
        try {
            builder.prefixes(new PrefixCaching(policies.get(random.nextInt(policies.size())), "stress"))
                    .build();
        } catch (IllegalArgumentException unshared) {
            builder.prefixes(PrefixCaching.OFF);
        }
    }

    /** Budgets as given, or what one sequence needs and a part of what others would. */
    private static KvCacheConfig budgeted(
            KvCacheConfig.Builder builder, StressOptions options, SplittableRandom random) {
        boolean given = options.deviceBytes() != DRAWN;
        KvCacheConfig one = builder.maxSequences(1).build();
        MemoryPlan least = KvCache.plan(one);
        int blockBytes = one.geometry().blockBytes();
        long spareHomes = random.nextInt(1 + 2 * least.sequenceBlocksPeak() * random.nextInt(2));
        int open = 2 + random.nextInt(5);
        int spareBlocks = random.nextInt(2 * least.sequenceBlocksPeak());
        if (options.hostBytes() != DRAWN) {
            builder.hostBytes(options.hostBytes());
        } else {
            builder.hostBytes(least.hostBytes() + spareHomes * blockBytes);
        }
        if (given) {
            builder.deviceBytes(options.deviceBytes());
        }
        for (int tokens = one.maxSequenceTokens(); tokens > LEAST_TOKENS && !holdsOne(builder); tokens /= 2) {
            builder.maxSequenceTokens(tokens / 2);
        }
        if (given) {
            return sequences(builder);
        }
        MemoryPlan all = KvCache.plan(builder.maxSequences(open).build());
        if (one.cache() != CacheName.FULL) {
            int blocks = all.tileCacheBlocks() + least.sequenceBlocksPeak() + spareBlocks;
            builder.deviceBytes(all.deviceBytes() - all.slabBytes() + (long) blocks * blockBytes);
        }
        return builder.build();
    }

    private static boolean holdsOne(KvCacheConfig.Builder builder) {
        KvCacheConfig config = builder.build();
        MemoryPlan plan = KvCache.plan(config);
        boolean fits = config.deviceBytes() == DRAWN || plan.deviceBytes() <= config.deviceBytes();
        return fits && plan.sequences() >= 1;
    }

    /** About twice as many sequences as a given budget holds; of {@code full}, which reserves them, as many. */
    private static KvCacheConfig sequences(KvCacheConfig.Builder builder) {
        int sequences = 1;
        while (sequences < MOST_SEQUENCES && holdsOne(builder.maxSequences(sequences + 1))) {
            sequences++;
            MemoryPlan plan = KvCache.plan(builder.build());
            if (sequences >= 2 * plan.sequences()) {
                break;
            }
        }
        return builder.maxSequences(sequences).build();
    }

    /** Whether a step reads all of V, so that its output is exact. */
    boolean readsAll() {
        return !(config.placement() instanceof PlacementPolicy.Offloaded offloaded)
                || offloaded.selection().maxTiles() == ALL_TILES;
    }

    /** Whether a layer may prune between the rows of one step; else it does so behind all of them. */
    boolean prunesBetweenRows() {
        return config.retention() instanceof RetentionPolicy.PerChunk;
    }

    boolean suspends() {
        return config.cache() != CacheName.FULL;
    }
}
