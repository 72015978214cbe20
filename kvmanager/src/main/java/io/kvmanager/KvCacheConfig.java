package io.kvmanager;

import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Everything a cache is opened with. {@link Builder#build()} checks the relations between the values and fills in what
 * was left open, so a configuration that exists can be planned and opened; {@link #toString()} shows the effective
 * values.
 *
 * @param cache the name it was built from
 * @param geometry shapes and element type
 * @param retention which tokens a layer keeps
 * @param placement where V lives
 * @param device device name, {@code auto} for the best usable one
 * @param maxSequences open sequences at most
 * @param maxSequenceTokens tokens of one sequence at most
 * @param promptTokens prompt length that derived budgets are sized for, tokens
 * @param deviceBytes device memory budget, bytes; {@link #DERIVED} = what {@code maxSequences} sequences need
 * @param hostBytes host memory budget, bytes; {@link #DERIVED} = the homes that these sequences need, and nothing for
 *     suspended ones
 * @param watermark share of the blocks that admission keeps free for sequences that run, 0..1
 * @param prefixes whether and how prefixes are cached
 */
public record KvCacheConfig(
        CacheName cache,
        CacheGeometry geometry,
        RetentionPolicy retention,
        PlacementPolicy placement,
        String device,
        int maxSequences,
        int maxSequenceTokens,
        int promptTokens,
        long deviceBytes,
        long hostBytes,
        double watermark,
        PrefixCaching prefixes) {

    /** A budget that is derived from the sequence limits. */
    public static final long DERIVED = 0;

    /** The keys that {@link Builder#set} accepts. */
    public static final String KEYS =
            "retention, budget, selection, compensation, recentTokens, tileCacheTiles, elementType, "
                    + "blockTokens, deviceBytes, hostBytes";

    public KvCacheConfig {
        Objects.requireNonNull(cache, "cache");
        Objects.requireNonNull(geometry, "geometry");
        Objects.requireNonNull(retention, "retention");
        Objects.requireNonNull(placement, "placement");
        Objects.requireNonNull(device, "device");
        requireAtLeast("maxSequences", maxSequences, 1);
        requireAtLeast("maxSequenceTokens", maxSequenceTokens, 1);
        requireAtLeast("promptTokens", promptTokens, 0);
        requireAtLeast("deviceBytes", deviceBytes, 0);
        requireAtLeast("hostBytes", hostBytes, 0);
        if (!(watermark >= 0 && watermark <= 1)) {
            throw new IllegalArgumentException("watermark " + watermark + " is not accepted; accepted: 0 to 1");
        }
        if (promptTokens > maxSequenceTokens) {
            throw new IllegalArgumentException(
                    "promptTokens " + promptTokens + " exceeds maxSequenceTokens " + maxSequenceTokens);
        }
        checkLayers(geometry, retention);
        checkTileCache(geometry, placement);
        if (prefixes.enabled()) {
            checkPrefixes(cache, retention);
        }
    }

    private static void checkPrefixes(CacheName cache, RetentionPolicy retention) {
        if (cache == CacheName.FULL) {
            throw new IllegalArgumentException("prefix caching does not go with cache full; accepted: another cache");
        }
        if (!(retention instanceof RetentionPolicy.All || retention instanceof RetentionPolicy.PerChunk)) {
            throw new IllegalArgumentException("prefix caching does not go with retention " + retention
                    + ", whose choice depends on what follows; accepted: all, chunks(…)");
        }
    }

    private static void checkLayers(CacheGeometry geometry, RetentionPolicy retention) {
        int listed = switch (retention) {
            case RetentionPolicy.PerLayer perLayer -> perLayer.shares().size();
            case RetentionPolicy.PerChunk perChunk -> {
                if (perChunk.chunkTokens() % geometry.blockTokens() != 0) {
                    throw new IllegalArgumentException("chunk size " + perChunk.chunkTokens()
                            + " is not accepted; accepted: a multiple of blockTokens " + geometry.blockTokens());
                }
                yield perChunk.shares().size();
            }
            case RetentionPolicy.Pyramid pyramid
            when pyramid.schedule() instanceof LayerSchedule.Explicit explicit ->
                explicit.ratios().size();
            default -> geometry.layers();
        };
        if (listed != geometry.layers()) {
            throw new IllegalArgumentException(
                    "retention lists " + listed + " layers, the model has " + geometry.layers());
        }
    }

    private static void checkTileCache(CacheGeometry geometry, PlacementPolicy placement) {
        if (placement instanceof PlacementPolicy.Offloaded offloaded) {
            if (offloaded.compensation().shadows() && geometry.blockTokens() < 2) {
                throw new IllegalArgumentException("compensation " + offloaded.compensation()
                        + " does not go with blockTokens 1; accepted: 2 or more");
            }
            boolean readsInPlace = offloaded.selection() instanceof ValueSelection.Certified;
            int least = readsInPlace
                    ? 0
                    : geometry.kvHeads() * offloaded.selection().maxTiles();
            if (offloaded.tileCacheTiles() < least) {
                throw new IllegalArgumentException("tileCacheTiles " + offloaded.tileCacheTiles()
                        + " is too small for " + offloaded.selection() + " on " + geometry.kvHeads()
                        + " KV heads; accepted: " + least + " or more");
            }
        }
    }

    private static void requireAtLeast(String name, long value, long least) {
        if (value < least) {
            throw new IllegalArgumentException(
                    name + " " + value + " is not accepted; accepted: " + least + " or more");
        }
    }

    /** Bytes that a cache without paging, pruning and offload holds for {@code tokens} tokens of one sequence. */
    public long fullBytes(int tokens) {
        return geometry.bytesPerToken() * tokens;
    }

    /** Starts a configuration. */
    public static Builder builder(CacheName cache, CacheGeometry geometry) {
        return new Builder(cache, geometry);
    }

    /** Collects values; nothing is checked before {@link #build()}, except the text of {@link #set}. */
    public static final class Builder {
        private final CacheName cache;
        private CacheGeometry geometry;
        private @Nullable RetentionPolicy retention;
        private RetentionPolicy.@Nullable PerLayer profile;
        private @Nullable Double budget;
        private ValueSelection selection = new ValueSelection.TopN(8);
        private Compensation compensation = Compensation.RENORMALISE;
        private int recentTokens = 64;
        private int sinkBlocks = 1;
        private int residentValueLayers;
        private @Nullable Integer tileCacheTiles;
        private String device = "auto";
        private int maxSequences = 1;
        private int maxSequenceTokens = 1024;
        private @Nullable Integer promptTokens;
        private long deviceBytes = DERIVED;
        private long hostBytes = DERIVED;
        private double watermark = .01;
        private PrefixCaching prefixes = PrefixCaching.OFF;

        private Builder(CacheName cache, CacheGeometry geometry) {
            this.cache = cache;
            this.geometry = geometry;
        }

        public Builder retention(RetentionPolicy value) {
            retention = value;
            return this;
        }

        /** The model's measured profile; used by caches that prune unless {@link #retention} says otherwise. */
        public Builder profile(RetentionPolicy.PerLayer value) {
            profile = value;
            return this;
        }

        /**
         * What a {@link BudgetPolicy}, or sinks and a recent window, may keep: up to 1, a share of the prompt; above,
         * tokens. For sinks and a recent window the share is of {@link #promptTokens}.
         */
        public Builder budget(double value) {
            BudgetPolicy.requireBudget(value);
            budget = value;
            return this;
        }

        public Builder selection(ValueSelection value) {
            selection = value;
            return this;
        }

        public Builder compensation(Compensation value) {
            compensation = value;
            return this;
        }

        /** Newest tokens whose V stays in device memory, tokens. */
        public Builder recentTokens(int value) {
            recentTokens = value;
            return this;
        }

        /** Leading blocks whose V stays in device memory. */
        public Builder sinkBlocks(int value) {
            sinkBlocks = value;
            return this;
        }

        /** First layers whose V is not offloaded. */
        public Builder residentValueLayers(int value) {
            residentValueLayers = value;
            return this;
        }

        /** Slots of the tile cache, tiles; left out, what half of the layers select in a step. */
        public Builder tileCacheTiles(int value) {
            tileCacheTiles = value;
            return this;
        }

        public Builder device(String value) {
            device = value;
            return this;
        }

        public Builder maxSequences(int value) {
            maxSequences = value;
            return this;
        }

        public Builder maxSequenceTokens(int value) {
            maxSequenceTokens = value;
            return this;
        }

        /** Prompt length that derived budgets are sized for; left out, all of {@code maxSequenceTokens}. */
        public Builder promptTokens(int value) {
            promptTokens = value;
            return this;
        }

        public Builder deviceBytes(long value) {
            deviceBytes = value;
            return this;
        }

        public Builder hostBytes(long value) {
            hostBytes = value;
            return this;
        }

        /** Whether prefixes are cached, and by which policy they make room; left out, they are not. */
        public Builder prefixes(PrefixCaching value) {
            prefixes = value;
            return this;
        }

        /** Share of the blocks that admission keeps free, 0..1; left out, 0.01. */
        public Builder watermark(double value) {
            watermark = value;
            return this;
        }

        /** Sets one of {@link #KEYS} from text. */
        public Builder set(String key, String value) {
            switch (key) {
                case "retention" -> setRetention(value);
                case "budget" -> budget(number(key, value));
                case "selection" -> selection = ValueSelection.parse(value);
                case "compensation" -> compensation = Compensation.parse(value);
                case "recentTokens" -> recentTokens = (int) whole(key, value);
                case "tileCacheTiles" -> tileCacheTiles = (int) whole(key, value);
                case "elementType" -> geometry = with(ElementType.parse(value), geometry.blockTokens());
                case "blockTokens" -> geometry = with(geometry.elementType(), (int) whole(key, value));
                case "deviceBytes" -> deviceBytes = ByteSize.parse(key, value);
                case "hostBytes" -> hostBytes = ByteSize.parse(key, value);
                default -> throw new IllegalArgumentException("setting '" + key + "' is unknown; accepted: " + KEYS);
            }
            return this;
        }

        private void setRetention(String value) {
            if (value.strip().toLowerCase(Locale.ROOT).equals("profile")) {
                if (profile == null) {
                    throw new IllegalArgumentException(
                            "retention 'profile': this model has no profile; measure one with kv calibrate");
                }
                retention = profile;
            } else {
                retention = RetentionPolicy.parse(value);
            }
        }

        private CacheGeometry with(ElementType type, int blockTokens) {
            return new CacheGeometry(
                    geometry.layers(),
                    geometry.queryHeads(),
                    geometry.kvHeads(),
                    geometry.headSize(),
                    blockTokens,
                    type);
        }

        private static long whole(String key, String value) {
            try {
                return Integer.parseInt(value.strip());
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException(key + " '" + value + "' is not a whole number", e);
            }
        }

        private static double number(String key, String value) {
            try {
                return Double.parseDouble(value.strip());
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException(key + " '" + value + "' is not a number", e);
            }
        }

        /** The checked configuration. */
        public KvCacheConfig build() {
            return new KvCacheConfig(
                    cache,
                    geometry,
                    concludedRetention(),
                    concludedPlacement(),
                    device,
                    maxSequences,
                    maxSequenceTokens,
                    concludedPromptTokens(),
                    deviceBytes,
                    hostBytes,
                    watermark,
                    prefixes);
        }

        private int concludedPromptTokens() {
            return promptTokens == null ? maxSequenceTokens : promptTokens;
        }

        private RetentionPolicy concludedRetention() {
            RetentionPolicy chosen = retention == null ? usualRetention() : cache.requireFits(retention);
            return budget == null ? chosen : BudgetPolicy.within(chosen, budget, concludedPromptTokens());
        }

        private RetentionPolicy usualRetention() {
            if (cache == CacheName.LOCAL) {
                return new RetentionPolicy.Local(4, 256);
            }
            if (cache.budgeted()) {
                return RetentionPolicy.parse(cache.toString());
            }
            if (!cache.prunes()) {
                return new RetentionPolicy.All();
            }
            return profile != null ? profile : conservative();
        }

        /** Without a profile: nothing is pruned before half depth, then half. */
        private RetentionPolicy conservative() {
            return new RetentionPolicy.Pyramid(
                    RetentionPolicy.WITHOUT_PROFILE,
                    new LayerSchedule.Linear(.5),
                    .2,
                    4,
                    64,
                    1.2,
                    Math.max(1, geometry.layers() / 4),
                    geometry.layers() / 2,
                    16);
        }

        private PlacementPolicy concludedPlacement() {
            if (!cache.offloads()) {
                return new PlacementPolicy.Resident();
            }
            int halfOfLayers = Math.max(2, geometry.layers() / 2);
            int tiles =
                    tileCacheTiles != null ? tileCacheTiles : halfOfLayers * geometry.kvHeads() * selection.maxTiles();
            return new PlacementPolicy.Offloaded(
                    selection, compensation, sinkBlocks, recentTokens, residentValueLayers, tiles);
        }
    }
}
