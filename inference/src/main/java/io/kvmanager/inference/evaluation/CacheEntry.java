package io.kvmanager.inference.evaluation;

import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.RetentionPolicy.PerLayer;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One row of a comparison: a cache and its settings, written {@code name} or {@code name[key=value,key=value]}, with a
 * label of its own in front where wanted: {@code label=name[…]}.
 *
 * <p>Beside what {@link KvCacheConfig.Builder#set} takes, {@code retention} may be {@code profile^x}: the model's profile
 * with every share to the power x, so that above 1 less is kept, below 1 more. One number of the settings may be a range,
 * {@code {least..most}}, written in the order of growing memory: it is then chosen for each length so that the cache takes
 * as much device memory as {@link #withBudget} allows.
 *
 * @param series the label written, or else all that was written
 * @param cache the cache
 * @param settings keys and values, in the order written
 * @param budget device bytes allowed, as a share of what {@code full} holds; {@link #UNLIMITED} where nothing is fitted
 */
public record CacheEntry(String series, CacheName cache, Map<String, String> settings, double budget) {

    /** The oracle that the others are compared with. */
    public static final CacheEntry FULL = new CacheEntry("full", CacheName.FULL, Map.of(), Double.POSITIVE_INFINITY);

    /** The budget of an entry that is taken as it is written. */
    public static final double UNLIMITED = Double.POSITIVE_INFINITY;

    private static final int BLOCK_TOKENS = 16;
    private static final Pattern NAMED = Pattern.compile("([^\\[=]+)=(.+)", Pattern.DOTALL);
    private static final String PROFILE_POWER = "profile^";

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
        Matcher named = NAMED.matcher(text.strip());
        if (named.matches()) {
            CacheEntry entry = parse(named.group(2));
            return new CacheEntry(named.group(1).strip(), entry.cache(), entry.settings(), UNLIMITED);
        }
        String label = text.strip();
        int open = label.indexOf('[');
        if (open < 0) {
            return new CacheEntry(label, CacheName.parse(label), Map.of(), UNLIMITED);
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
        return new CacheEntry(label, CacheName.parse(label.substring(0, open)), settings, UNLIMITED);
    }

    /** What the row is called. */
    public String label() {
        return budget == UNLIMITED ? series : series + " @" + Math.round(100 * budget) + "%";
    }

    /** Whether a setting is a range. */
    public boolean hasRange() {
        return SettingRange.find(settings).isPresent();
    }

    /**
     * This entry with its range fitted to a budget.
     *
     * @param share device bytes allowed, as a share of what {@code full} holds
     * @throws IllegalStateException if no setting is a range
     */
    public CacheEntry withBudget(double share) {
        if (!hasRange()) {
            throw new IllegalStateException(series + " has no range to fit");
        }
        return new CacheEntry(series, cache, settings, share);
    }

    private static List<String> split(String text) {
        List<String> parts = new ArrayList<>();
        int depth = 0;
        int start = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '[' || c == '(' || c == '{') {
                depth++;
            } else if (c == ']' || c == ')' || c == '}') {
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
     * entry win over common ones; those that do not {@linkplain #concerns concern} the cache are left out. A range takes
     * its largest value that fits the budget, or the least where none does.
     *
     * @param promptTokens tokens of the prompt
     * @param tokens tokens in all
     * @param common settings of all entries
     * @throws IllegalArgumentException if a setting does not fit, or is a range without a budget
     */
    public KvCacheConfig config(Model model, int promptTokens, int tokens, Map<String, String> common, String device) {
        Optional<SettingRange> found = SettingRange.find(settings);
        if (found.isEmpty()) {
            return config(settings, model, promptTokens, tokens, common, device);
        }
        if (budget == UNLIMITED) {
            throw new IllegalArgumentException("cache '" + series + "' has a range, which needs a budget to fit");
        }
        SettingRange range = found.orElseThrow();
        int fits = 0;
        int exceeds = range.steps() + 1;
        while (exceeds - fits > 1) {
            int middle = (fits + exceeds) >>> 1;
            KvCacheConfig tried = config(range.at(middle), model, promptTokens, tokens, common, device);
            if (KvCache.plan(tried).deviceBytes() <= budget * tried.fullBytes(tokens)) {
                fits = middle;
            } else {
                exceeds = middle;
            }
        }
        return config(range.at(fits), model, promptTokens, tokens, common, device);
    }

    private KvCacheConfig config(
            Map<String, String> own,
            Model model,
            int promptTokens,
            int tokens,
            Map<String, String> common,
            String device) {
        KvCacheConfig.Builder builder = KvCacheConfig.builder(
                        cache, model.config().cacheGeometry(BLOCK_TOKENS, ElementType.BF16))
                .device(device)
                .maxSequences(1)
                .promptTokens(promptTokens)
                .maxSequenceTokens(tokens);
        model.profile().ifPresent(builder::profile);
        Map<String, String> effective = new LinkedHashMap<>(common);
        effective.keySet().removeIf(key -> !concerns(cache, key));
        effective.putAll(own);
        effective.forEach((key, value) -> {
            if (key.equals("retention") && value.startsWith(PROFILE_POWER)) {
                builder.retention(powerOfProfile(model, value));
            } else {
                builder.set(key, value);
            }
        });
        return builder.build();
    }

    private static PerLayer powerOfProfile(Model model, String retention) {
        PerLayer profile = model.profile()
                .orElseThrow(() -> new IllegalArgumentException(
                        "retention '" + retention + "': this model has no profile; measure one with kv calibrate"));
        double power = SettingRange.number(retention.substring(PROFILE_POWER.length()));
        List<Double> shares =
                profile.shares().stream().map(share -> Math.pow(share, power)).toList();
        return withShares(profile, retention, shares);
    }

    /** A policy with other shares. */
    static PerLayer withShares(PerLayer policy, String name, List<Double> shares) {
        return new PerLayer(
                name,
                shares,
                policy.recentTokens(),
                policy.sinkTokens(),
                policy.observationQueries(),
                policy.poolingWidth());
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
