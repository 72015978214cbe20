package io.kvmanager;

import java.util.Locale;

/** What stands in for the value tiles that a step did not fetch. */
public enum Compensation {
    /** Nothing: the missed mass is lost. */
    NONE,
    /** Nothing, and the output is divided by the mass that was present. */
    RENORMALISE,
    /** Every missed tile contributes its mass times the mean of its values; the means stay resident. */
    MEAN,
    /** Every missed tile is read from its shadow: 4 bits an element, resident. */
    INT4,
    /** Every missed tile is read from its shadow: 8 bits an element, resident. */
    INT8;

    /** Whether shadows, quantised copies of V, stay in device memory. */
    public boolean shadows() {
        return this == INT4 || this == INT8;
    }

    public static Compensation parse(String text) {
        for (Compensation kind : values()) {
            if (kind.name().equals(text.toUpperCase(Locale.ROOT))) {
                return kind;
            }
        }
        throw new IllegalArgumentException(
                "compensation '" + text + "' is unknown; accepted: none, renormalise, mean, int4, int8");
    }
}
