package io.kvmanager;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

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
    PYRAMID_KCACHE("pyramid+kcache");

    private final String text;

    CacheName(String text) {
        this.text = text;
    }

    public static CacheName parse(String text) {
        List<String> accepted = new ArrayList<>();
        for (CacheName name : values()) {
            if (name.text.equals(text.strip().toLowerCase(Locale.ROOT))) {
                return name;
            }
            accepted.add(name.text);
        }
        throw new IllegalArgumentException("cache '" + text + "' is unknown; accepted: " + String.join(", ", accepted));
    }

    /** Whether V's home is host memory under this name. */
    boolean offloads() {
        return this == KCACHE || this == PYRAMID_KCACHE;
    }

    /** Whether layers keep different lengths under this name. */
    boolean prunes() {
        return this == PYRAMID || this == PYRAMID_KCACHE;
    }

    /** The name as written on the command line. */
    @Override
    public String toString() {
        return text;
    }
}
