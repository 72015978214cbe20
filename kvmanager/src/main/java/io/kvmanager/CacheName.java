package io.kvmanager;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The caches a user can name. Each is a backend with a retention and a placement; settings may change either. */
public enum CacheName {
    /** One contiguous region per sequence; nothing shared, pruned or moved. What the others are compared with. */
    FULL("full"),
    /** Blocks and tables, everything kept, everything in device memory. */
    PAGED("paged"),
    /** Sinks and a recent window. */
    LOCAL("local"),
    /** Pruned per layer, in device memory. */
    PYRAMID("pyramid"),
    /** Everything kept, V in host memory. */
    KCACHE("kcache"),
    /** Pruned per layer, V in host memory: the default. */
    PYRAMID_KCACHE("pyramid+kcache"),
    /** {@link BudgetPolicy.H2o}. */
    H2O("h2o"),
    /** {@link BudgetPolicy.SnapKv}. */
    SNAPKV("snapkv"),
    /** {@link BudgetPolicy.PyramidKv}. */
    PYRAMIDKV("pyramidkv"),
    /** {@link BudgetPolicy.Tova}. */
    TOVA("tova"),
    /** {@link BudgetPolicy.Quest}. */
    QUEST("quest");

    private final String text;

    CacheName(String text) {
        this.text = text;
    }

    public static CacheName parse(String text) {
        for (CacheName name : values()) {
            if (name.text.equals(text.strip().toLowerCase(Locale.ROOT))) {
                return name;
            }
        }
        throw new IllegalArgumentException("cache '" + text + "' is unknown; accepted: " + accepted());
    }

    /** Every name, separated by commas. */
    public static String accepted() {
        return Arrays.stream(values()).map(CacheName::toString).collect(Collectors.joining(", "));
    }

    /** Whether it runs a {@link BudgetPolicy}: built to be compared with, and left out where caches are shown. */
    public boolean budgeted() {
        return compareTo(PYRAMID_KCACHE) > 0;
    }

    /** Whether V's home is host memory under this name. */
    boolean offloads() {
        return this == KCACHE || this == PYRAMID_KCACHE;
    }

    /** Whether layers keep different lengths under this name. */
    boolean prunes() {
        return this == PYRAMID || this == PYRAMID_KCACHE;
    }

    /** Refuses a retention that this name does not stand for. */
    RetentionPolicy requireFits(RetentionPolicy chosen) {
        CacheName runner = chosen instanceof BudgetPolicy policy ? policy.cache() : null;
        if (budgeted() ? runner != this : runner != null) {
            throw new IllegalArgumentException("retention " + chosen + " does not go with cache " + this
                    + "; accepted: " + (budgeted() ? this + "(budget=x,…)" : "cache " + runner));
        }
        boolean keepsAll = chosen instanceof RetentionPolicy.All;
        if (!keepsAll && (this == FULL || this == PAGED || this == KCACHE)) {
            throw new IllegalArgumentException("retention " + chosen + " does not go with cache " + this
                    + ", which keeps everything; accepted: all, or another cache");
        }
        return chosen;
    }

    /** The name as written on the command line. */
    @Override
    public String toString() {
        return text;
    }
}
