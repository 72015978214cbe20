package io.kvmanager.inference.cli;

import java.util.Locale;

/** The user's input cannot be used: one line that names the flag or file, the value, and what is accepted. */
public final class BadInput extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** With the whole line. */
    public BadInput(String message) {
        super(message);
    }

    private BadInput(String message, Throwable cause) {
        super(message, cause);
    }

    /** A value of a flag that something below refused, with its reason. */
    public static BadInput of(String flag, Throwable reason) {
        return new BadInput(flag + ": " + reason.getMessage(), reason);
    }

    /** Refuses a whole number below {@code least}. */
    public static void requireAtLeast(String flag, long value, long least) {
        if (value < least) {
            throw new BadInput(String.format(
                    Locale.ROOT, "%s '%d' is not accepted; accepted: a whole number, %d or more", flag, value, least));
        }
    }
}
