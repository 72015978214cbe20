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
import java.util.List;
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
    private static final int ALL_TILES = 64;
    private static final List<Compensation> COMPENSATIONS =
            List.of(Compensation.NONE, Compensation.RENORMALISE, Compensation.MEAN);

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
        KvCacheConfig one = builder.maxSequences(1).build();
        MemoryPlan least = KvCache.plan(one);
        int blockBytes = one.geometry().blockBytes();
        long host = options.hostBytes() != DRAWN
                ? options.hostBytes()
                : least.hostBytes()
                        + (long) random.nextInt(1 + 2 * least.sequenceBlocksPeak() * random.nextInt(2)) * blockBytes;
        builder.hostBytes(host);
        int open = 2 + random.nextInt(5);
        if (one.cache() == CacheName.FULL) {
            return full(builder, options, open);
        }
        if (options.deviceBytes() != DRAWN) {
            builder.deviceBytes(options.deviceBytes());
            int sequences = KvCache.plan(builder.maxSequences(2).build()).sequences();
            return builder.maxSequences(Math.clamp(2L * sequences, 2, MOST_SEQUENCES))
                    .build();
        }
        MemoryPlan all = KvCache.plan(builder.maxSequences(open).build());
        int blocks = all.tileCacheBlocks() + least.sequenceBlocksPeak() + random.nextInt(2 * least.sequenceBlocksPeak());
        return builder.deviceBytes(all.deviceBytes() - all.slabBytes() + (long) blocks * blockBytes)
                .build();
    }

    /** As many regions as fit. */
    private static KvCacheConfig full(KvCacheConfig.Builder builder, StressOptions options, int open) {
        if (options.deviceBytes() == DRAWN) {
            return builder.maxSequences(open).build();
        }
        int regions = 1;
        builder.deviceBytes(options.deviceBytes());
        while (regions < MOST_SEQUENCES
                && KvCache.plan(builder.maxSequences(regions + 1).build()).deviceBytes() <= options.deviceBytes()) {
            regions++;
        }
        return builder.maxSequences(regions).build();
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
