package io.kvmanager.bench.stress;

import java.util.List;
import org.slf4j.helpers.MessageFormatter;

/** Something that must hold does not. */
final class Violation extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Violation(String message) {
        super(message);
    }

    /** Throws unless {@code holds}; each {} of the pattern is a value. */
    static void unless(boolean holds, String pattern, Object... values) {
        if (!holds) {
            throw new Violation(MessageFormatter.arrayFormat(pattern, values).getMessage());
        }
    }

    /** Throws if an audit found anything. */
    static void unlessClean(List<String> audit) {
        unless(audit.isEmpty(), "the audit found: {}", audit);
    }
}
