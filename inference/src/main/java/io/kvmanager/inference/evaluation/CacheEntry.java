package io.kvmanager.inference.evaluation;

import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One row of a comparison: a cache and its settings, written {@code name} or {@code name[key=value,key=value]}.
 *
 * @param label as written
 * @param cache the cache
 * @param settings keys and values of {@link KvCacheConfig.Builder#set}, in the order written
 */
public record CacheEntry(String label, CacheName cache, Map<String, String> settings) {

    /** The oracle that the others are compared with. */
    public static final CacheEntry FULL = parse("full");

    private static final int BLOCK_TOKENS = 16;

    public CacheEntry {
        settings = Collections.unmodifiableMap(new LinkedHashMap<>(settings));
    }

    /** Reads entries separated by commas; commas within brackets separate nothing. */
    public static List<CacheEntry> parseList(String text) {
        List<CacheEntry> entries = new ArrayList<>();
        for (String part : split(text)) {
            entries.add(parse(part));
        }
        return List.copyOf(entries);
    }

    /** Reads one entry; one clear line if it is none. */
    public static CacheEntry parse(String text) {
        String label = text.strip();
        int open = label.indexOf('[');
        if (open < 0) {
            return new CacheEntry(label, CacheName.parse(label), Map.of());
        }
        if (!label.endsWith("]")) {
            throw new IllegalArgumentException("cache '" + label + "' has no closing bracket");
        }
        Map<String, String> settings = new LinkedHashMap<>();
        for (String setting : split(label.substring(open + 1, label.length() - 1))) {
            int equals = setting.indexOf('=');
            if (equals < 1) {
                throw new IllegalArgumentException("cache '" + label + "': '" + setting.strip() + "' is not key=value");
            }
            settings.put(
                    setting.substring(0, equals).strip(),
                    setting.substring(equals + 1).strip());
        }
        return new CacheEntry(label, CacheName.parse(label.substring(0, open)), settings);
    }

    private static List<String> split(String text) {
        List<String> parts = new ArrayList<>();
        int depth = 0;
        int start = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '[' || c == '(') {
                depth++;
            } else if (c == ']' || c == ')') {
                depth--;
            } else if (c == ',' && depth == 0) {
                parts.add(text.substring(start, i));
                start = i + 1;
            }
        }
        parts.add(text.substring(start));
        return parts;
    }

    /**
     * The configuration of this entry for one sequence, with budgets derived for exactly its length. Settings of the
     * entry win over common ones; those that do not {@linkplain #concerns concern} the cache are left out.
     *
     * @param promptTokens tokens of the prompt
     * @param tokens tokens in all
     * @param common settings of all entries
     * @throws IllegalArgumentException if a setting does not fit
     */
    public KvCacheConfig config(Model model, int promptTokens, int tokens, Map<String, String> common, String device) {
        KvCacheConfig.Builder builder = KvCacheConfig.builder(
                        cache, model.config().cacheGeometry(BLOCK_TOKENS, ElementType.BF16))
                .device(device)
                .maxSequences(1)
                .promptTokens(promptTokens)
                .maxSequenceTokens(tokens);
        model.profile().ifPresent(builder::profile);
        Map<String, String> effective = new LinkedHashMap<>(common);
        effective.keySet().removeIf(key -> !concerns(cache, key));
        effective.putAll(settings);
        effective.forEach(builder::set);
        return builder.build();
    }

    /** Whether a setting that several caches are given is for {@code cache}: retention and budget are not for all. */
    public static boolean concerns(CacheName cache, String key) {
        return switch (key) {
            case "retention" -> cache == CacheName.PYRAMID || cache == CacheName.PYRAMID_KCACHE;
            case "budget" -> cache == CacheName.LOCAL || cache.budgeted();
            default -> true;
        };
    }
}
