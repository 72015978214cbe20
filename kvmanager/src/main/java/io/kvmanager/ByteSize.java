package io.kvmanager;

import java.util.Locale;

/** Sizes as users write them: {@code 4096}, {@code 512k}, {@code 24M}, {@code 1.5GiB}. Units are powers of 1024. */
public final class ByteSize {
    private static final String UNITS = "kmgt";

    private ByteSize() {}

    /** Bytes of {@code text}; one clear line that names {@code key} if it is not a size. */
    public static long parse(String key, String text) {
        String lower = text.strip().toLowerCase(Locale.ROOT);
        String number = lower.replaceFirst("i?b$", "");
        double scale = 1;
        if (!number.isEmpty() && UNITS.indexOf(number.charAt(number.length() - 1)) >= 0) {
            scale = Math.pow(1024, UNITS.indexOf(number.charAt(number.length() - 1)) + 1);
            number = number.substring(0, number.length() - 1);
        }
        try {
            double bytes = Double.parseDouble(number.strip()) * scale;
            if (bytes >= 0 && bytes < Long.MAX_VALUE) {
                return (long) bytes;
            }
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(refusal(key, text), e);
        }
        throw new IllegalArgumentException(refusal(key, text));
    }

    private static String refusal(String key, String text) {
        return key + " '" + text + "' is not a size; accepted: bytes, or a number with k, M, G or T";
    }

    /** {@code bytes} with three digits and a unit. */
    public static String format(long bytes) {
        double value = bytes;
        int unit = -1;
        while (value >= 1024 && unit < UNITS.length() - 1) {
            value /= 1024;
            unit++;
        }
        if (unit < 0) {
            return bytes + " B";
        }
        String digits = value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f";
        return String.format(
                Locale.ROOT,
                digits + " %siB",
                value,
                UNITS.toUpperCase(Locale.ROOT).charAt(unit));
    }
}
