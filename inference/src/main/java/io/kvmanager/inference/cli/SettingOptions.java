package io.kvmanager.inference.cli;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.inference.evaluation.CacheEntry;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Option;

/** {@code --device} and {@code --set}: everything of a cache's configuration but its name. */
final class SettingOptions {
    private static final int BLOCK_TOKENS = 16;

    @Option(
            names = "--device",
            paramLabel = "<device>",
            description = "auto, or one that kv devices lists, such as host or host:plain. Default: ${DEFAULT-VALUE}.")
    private String device = "auto";

    @Option(
            names = "--set",
            paramLabel = "<key=value>",
            description = "A setting of the cache, repeatable; keys: " + KvCacheConfig.KEYS + ".")
    private List<String> settings = new ArrayList<>();

    String device() {
        return device;
    }

    /** The settings as keys and values, in the order written. */
    Map<String, String> pairs() {
        Map<String, String> pairs = new LinkedHashMap<>();
        for (String setting : settings) {
            int equals = setting.indexOf('=');
            if (equals < 1) {
                throw new BadInput("--set '" + setting + "' is not key=value; accepted keys: " + KvCacheConfig.KEYS);
            }
            pairs.put(
                    setting.substring(0, equals).strip(),
                    setting.substring(equals + 1).strip());
        }
        return pairs;
    }

    /** The geometry that caches of a model start from; {@code --set} may change block and element. */
    static CacheGeometry geometry(Model model) {
        return model.config().cacheGeometry(BLOCK_TOKENS, ElementType.BF16);
    }

    /** A geometry given in numbers, likewise. */
    static CacheGeometry geometry(int layers, int queryHeads, int kvHeads, int headSize) {
        return new CacheGeometry(layers, queryHeads, kvHeads, headSize, BLOCK_TOKENS, ElementType.BF16);
    }

    /** A builder with every setting applied; {@link #build} concludes it. */
    KvCacheConfig.Builder builder(CacheName cache, CacheGeometry geometry, Optional<RetentionPolicy.PerLayer> profile) {
        return builder(cache, geometry, profile, false);
    }

    /**
     * The configuration for one sequence of a model.
     *
     * @param maxSequenceTokens tokens of the sequence at most
     * @param promptTokens prompt length that budgets are sized for
     */
    KvCacheConfig config(CacheName cache, Model model, int maxSequenceTokens, int promptTokens) {
        return build(builder(cache, geometry(model), model.profile())
                .maxSequenceTokens(maxSequenceTokens)
                .promptTokens(promptTokens));
    }

    /**
     * {@link #config} for one of several caches that are compared: a {@code retention} or {@code budget} setting goes
     * to those that have one and passes by the rest.
     */
    KvCacheConfig comparedConfig(CacheName cache, Model model, int maxSequenceTokens, int promptTokens) {
        return build(builder(cache, geometry(model), model.profile(), true)
                .maxSequenceTokens(maxSequenceTokens)
                .promptTokens(promptTokens));
    }

    private KvCacheConfig.Builder builder(
            CacheName cache, CacheGeometry geometry, Optional<RetentionPolicy.PerLayer> profile, boolean compared) {
        KvCacheConfig.Builder builder = KvCacheConfig.builder(cache, geometry).device(device);
        profile.ifPresent(builder::profile);
        for (String setting : settings) {
            int equals = setting.indexOf('=');
            if (equals < 1) {
                throw new BadInput("--set '" + setting + "' is not key=value; accepted keys: " + KvCacheConfig.KEYS);
            }
            String key = setting.substring(0, equals).strip();
            if (compared && !CacheEntry.concerns(cache, key)) {
                continue;
            }
            try {
                builder.set(key, setting.substring(equals + 1).strip());
            } catch (IllegalArgumentException e) {
                throw BadInput.of("--set " + setting, e);
            }
        }
        return builder;
    }

    /** Concludes a builder; a relation between settings that does not hold is bad input. */
    KvCacheConfig build(KvCacheConfig.Builder builder) {
        try {
            return builder.build();
        } catch (IllegalArgumentException e) {
            throw BadInput.of(settings.isEmpty() ? "cache" : "--set " + String.join(" --set ", settings), e);
        }
    }
}
