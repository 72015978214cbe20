package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.RetentionPolicy;
import org.jspecify.annotations.Nullable;

/**
 * The same load for every cache.
 *
 * @param geometry shapes
 * @param profile the model's retention, or null where there is none
 * @param retention retention of caches that prune, as text, or empty for their own choice
 * @param promptTokens tokens of each prompt
 * @param newTokens tokens behind it
 * @param deviceBytes device memory of a cache, everything counted
 */
record DecodeShape(
        CacheGeometry geometry,
        RetentionPolicy.@Nullable PerLayer profile,
        String retention,
        int promptTokens,
        int newTokens,
        long deviceBytes) {

    /** A cache for so many sequences; as much host memory as they need. */
    KvCacheConfig config(CacheName cache, int sequences, String device) {
        KvCacheConfig.Builder builder = KvCacheConfig.builder(cache, geometry)
                .device(device)
                .maxSequences(sequences)
                .maxSequenceTokens(promptTokens + newTokens)
                .promptTokens(promptTokens)
                .deviceBytes(deviceBytes);
        if (profile != null) {
            builder.profile(profile);
        }
        if (!retention.isEmpty() && (cache == CacheName.PYRAMID || cache == CacheName.PYRAMID_KCACHE)) {
            builder.set("retention", retention);
        }
        return builder.build();
    }
}
