package io.kvmanager.bench.stress;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** What is made to go wrong, and what must hold behind it. */
enum Fault {
    /** The device has no memory while a cache opens: a typed error, everything given back, the next open succeeds. */
    ALLOCATE("allocate"),
    /**
     * A kernel, or a write to device memory, fails. A step or cut that it hits leaves a sequence that can only be
     * closed, and then nothing is lost; suspend, resume and fork change nothing. Other sequences go on.
     */
    KERNEL("kernel"),
    /** The same of a copy between the tiers. */
    COPY("copy"),
    /** A copy between the tiers takes long: nothing may be noticed. */
    DELAY("delay"),
    /** Sequences are suspended until host memory is full: a typed error that says what is missing, nothing changed. */
    HOST_FULL("host-full"),
    /** The calling thread and the workers are interrupted: results as ever, the caller still knows, workers rest. */
    INTERRUPT("interrupt"),
    /** A sequence is closed in the middle of a step: nothing is lost. */
    CLOSE("close"),
    /** The cache is closed while its sequences are used: their next call says so, all memory is given back. */
    CACHE_CLOSE("cache-close");

    private static final String ALL = "all";
    private static final String NONE = "none";

    private final String text;

    Fault(String text) {
        this.text = text;
    }

    /** Whether a device's call named {@code method} can be hit by it. */
    boolean concerns(String method) {
        boolean copies = switch (method) {
            case "store", "load", "loadTile" -> true;
            default -> false;
        };
        return switch (this) {
            case COPY, DELAY -> copies;
            case KERNEL, INTERRUPT -> !copies && !method.equals("name");
            default -> false;
        };
    }

    /** Whether it is set up before an operation and happens inside a device's call. */
    boolean isArmed() {
        return this == KERNEL || this == COPY || this == DELAY || this == INTERRUPT;
    }

    /** Reads {@code all}, {@code none}, or names with commas between them. */
    static Set<Fault> parse(String list) {
        Set<Fault> faults = EnumSet.noneOf(Fault.class);
        for (String word : list.split(",", -1)) {
            String name = word.strip().toLowerCase(Locale.ROOT);
            switch (name) {
                case ALL -> faults.addAll(EnumSet.allOf(Fault.class));
                case NONE -> {}
                default -> faults.add(named(name));
            }
        }
        return faults;
    }

    private static Fault named(String name) {
        List<String> accepted = new ArrayList<>(List.of(ALL, NONE));
        for (Fault fault : values()) {
            if (fault.text.equals(name)) {
                return fault;
            }
            accepted.add(fault.text);
        }
        throw new IllegalArgumentException("fault '" + name + "' is unknown; accepted: " + String.join(", ", accepted));
    }

    /** The name as written on the command line. */
    @Override
    public String toString() {
        return text;
    }
}
