package io.kvmanager;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A policy as users write it: {@code name}, {@code name(1,2)} or {@code name(key=value,other=1/2/3)}. Reading a
 * parameter takes it; {@link #done} refuses what nobody took, so a misspelt key is an error and not a default.
 */
final class PolicyText {
    private final String key;
    private final String text;
    private final String name;
    private final List<String> positional = new ArrayList<>();
    private final Map<String, String> named = new LinkedHashMap<>();
    private int positionalTaken;

    private PolicyText(String key, String text, String name) {
        this.key = key;
        this.text = text;
        this.name = name;
    }

    static PolicyText parse(String key, String text) {
        String trimmed = text.strip();
        int open = trimmed.indexOf('(');
        if (open < 0) {
            return new PolicyText(key, trimmed, trimmed.toLowerCase(Locale.ROOT));
        }
        if (!trimmed.endsWith(")")) {
            throw new IllegalArgumentException(key + " '" + text + "' has no closing bracket");
        }
        PolicyText policy =
                new PolicyText(key, trimmed, trimmed.substring(0, open).strip().toLowerCase(Locale.ROOT));
        String inside = trimmed.substring(open + 1, trimmed.length() - 1);
        for (String part : inside.isBlank() ? new String[0] : inside.split(",", -1)) {
            int equals = part.indexOf('=');
            if (equals < 0) {
                policy.positional.add(part.strip());
            } else {
                policy.named.put(
                        part.substring(0, equals).strip(),
                        part.substring(equals + 1).strip());
            }
        }
        return policy;
    }

    String name() {
        return name;
    }

    double positional(int index, double otherwise) {
        positionalTaken = Math.max(positionalTaken, index + 1);
        return index < positional.size() ? number("parameter " + (index + 1), positional.get(index)) : otherwise;
    }

    int positionalInt(int index, int otherwise) {
        return whole("parameter " + (index + 1), positional(index, otherwise));
    }

    double take(String parameter, double otherwise) {
        String value = named.remove(parameter);
        return value == null ? otherwise : number(parameter, value);
    }

    int takeInt(String parameter, int otherwise) {
        return whole(parameter, take(parameter, otherwise));
    }

    String takeText(String parameter, String otherwise) {
        String value = named.remove(parameter);
        return value == null ? otherwise : value.toLowerCase(Locale.ROOT);
    }

    /** Numbers separated by slashes, as {@code 1/1/0.5}; from the named parameter or else the first positional. */
    List<Double> takeShares(String parameter) {
        String value = named.remove(parameter);
        if (value == null && !positional.isEmpty()) {
            positionalTaken = Math.max(positionalTaken, 1);
            value = positional.getFirst();
        }
        if (value == null) {
            throw new IllegalArgumentException(key + " '" + text + "' lacks " + parameter + ", as in 1/1/0.5");
        }
        List<Double> shares = new ArrayList<>();
        for (String part : value.split("/", -1)) {
            shares.add(number(parameter, part.strip()));
        }
        return List.copyOf(shares);
    }

    /** Call when every known parameter has been taken. */
    void done(String accepted) {
        if (positional.size() > positionalTaken) {
            throw new IllegalArgumentException(key + " '" + text + "' has the extra parameter '"
                    + positional.get(positionalTaken) + "'; accepted: " + accepted);
        }
        if (!named.isEmpty()) {
            throw new IllegalArgumentException(key + " '" + text + "' has the unknown parameter '"
                    + named.keySet().iterator().next() + "'; accepted: " + accepted);
        }
    }

    private double number(String parameter, String value) {
        try {
            return Double.parseDouble(value);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    key + " '" + text + "': " + parameter + " '" + value + "' is not a number", e);
        }
    }

    private int whole(String parameter, double value) {
        if (value != Math.rint(value) || Math.abs(value) > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    key + " '" + text + "': " + parameter + " " + value + " is not a whole number");
        }
        return (int) value;
    }
}
