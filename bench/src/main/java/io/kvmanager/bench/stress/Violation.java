package io.kvmanager.bench.stress;

import java.util.List;
import java.util.Locale;

/** Something that must hold does not. */
final class Violation extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Violation(String message) {
        super(message);
    }

    Violation(String message, Throwable cause) {
        super(message, cause);
    }

    /** Throws unless {@code holds}. */
    static void unless(boolean holds, String format, Object... values) {
        if (!holds) {
            throw new Violation(String.format(Locale.ROOT, format, values));
        }
    }

    /** Throws if an audit found anything. */
    static void unlessClean(List<String> audit) {
        unless(audit.isEmpty(), "the audit found: %s", audit);
    }
}
