package io.kvmanager.inference.evaluation;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A number among settings that is still open: <code>{least..most}</code>. Between two whole numbers it takes whole ones,
 * else steps of a thousandth of the way.
 */
final class SettingRange {
    private static final Pattern RANGE = Pattern.compile("\\{([^{}]*?)\\.\\.([^{}]*)}");
    private static final Pattern WHOLE = Pattern.compile("\\d+");
    private static final int REAL_STEPS = 1000;

    private final Map<String, String> settings;
    private final String key;
    private final String value;
    private final Matcher place;
    private final double least;
    private final double most;
    private final boolean whole;

    private SettingRange(Map<String, String> settings, String key, String value, Matcher place) {
        this.settings = settings;
        this.key = key;
        this.value = value;
        this.place = place;
        least = number(place.group(1));
        most = number(place.group(2));
        whole = WHOLE.matcher(place.group(1)).matches()
                && WHOLE.matcher(place.group(2)).matches();
    }

    /**
     * The range among settings, the first if there are several.
     *
     * @throws IllegalArgumentException if its ends are no numbers
     */
    static Optional<SettingRange> find(Map<String, String> settings) {
        for (Map.Entry<String, String> setting : settings.entrySet()) {
            Matcher place = RANGE.matcher(setting.getValue());
            if (place.find()) {
                return Optional.of(new SettingRange(settings, setting.getKey(), setting.getValue(), place));
            }
        }
        return Optional.empty();
    }

    /** A number, or one clear line. */
    static double number(String text) {
        try {
            return Double.parseDouble(text.strip());
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("'" + text + "' is not accepted; accepted: a number", e);
        }
    }

    /** Steps from the first value to the last. */
    int steps() {
        return whole ? (int) Math.abs(most - least) : REAL_STEPS;
    }

    /** The settings with the value of a step in its place. */
    Map<String, String> at(int step) {
        double number = steps() == 0 ? least : least + (most - least) * step / steps();
        String text = whole ? String.valueOf(Math.round(number)) : String.valueOf(Math.rint(number * 1e6) / 1e6);
        Map<String, String> filled = new LinkedHashMap<>(settings);
        filled.put(key, value.substring(0, place.start()) + text + value.substring(place.end()));
        return filled;
    }
}
