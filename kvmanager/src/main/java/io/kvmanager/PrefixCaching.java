package io.kvmanager;

import java.util.Objects;

/**
 * Whether sequences leave their prefixes behind for others.
 *
 * @param eviction policy by which cached prefixes make room, or {@link #NONE}
 * @param model name and revision of the weights: prefixes of different models are never the same
 */
public record PrefixCaching(String eviction, String model) {
    /** Instead of a policy: nothing is cached. */
    public static final String NONE = "none";

    /** Nothing is cached. */
    public static final PrefixCaching OFF = new PrefixCaching(NONE, "");

    public PrefixCaching {
        Objects.requireNonNull(eviction, "eviction");
        Objects.requireNonNull(model, "model");
    }

    /** Whether anything is cached. */
    public boolean enabled() {
        return !eviction.equals(NONE);
    }
}
