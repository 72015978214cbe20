package io.kvmanager.kernels.cuda;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * What a user wrote behind {@code cuda:}.
 *
 * @param ordinal number of the device, as the driver counts
 * @param synchronous wait for every launch, so that a failure names its kernel
 * @param copies how blocks go between the tiers
 */
record CudaArgument(int ordinal, boolean synchronous, CopyWay copies) {
    private static final String SYNCHRONOUS = "sync";
    private static final String COPIES = "copies=";

    /** A device with nothing said about copies. */
    CudaArgument(int ordinal, boolean synchronous) {
        this(ordinal, synchronous, CopyWay.BEST);
    }

    static CudaArgument parse(String text) {
        CudaArgument parsed = new CudaArgument(0, false);
        if (text.isEmpty()) {
            return parsed;
        }
        boolean mayBeNumber = true;
        for (String part : text.split(",", -1)) {
            CudaArgument before = parsed;
            if (mayBeNumber && part.matches("[0-9]{1,4}")) {
                parsed = new CudaArgument(Integer.parseInt(part), false);
            } else if (part.equals(SYNCHRONOUS) && !before.synchronous) {
                parsed = new CudaArgument(before.ordinal, true, before.copies);
            } else if (part.startsWith(COPIES) && before.copies == CopyWay.BEST) {
                parsed = new CudaArgument(before.ordinal, before.synchronous, way(text, part));
            } else {
                throw unknown(text);
            }
            mayBeNumber = false;
        }
        return parsed;
    }

    private static CopyWay way(String text, String part) {
        for (CopyWay way : CopyWay.values()) {
            if (part.equals(COPIES + name(way))) {
                return way;
            }
        }
        throw unknown(text);
    }

    private static String name(CopyWay way) {
        return way.name().toLowerCase(Locale.ROOT);
    }

    private static IllegalArgumentException unknown(String text) {
        String ways = Arrays.stream(CopyWay.values()).map(CudaArgument::name).collect(Collectors.joining(", "));
        return new IllegalArgumentException("argument '" + text + "' of device cuda is unknown; accepted, joined by "
                + "commas: a device number first, sync, copies= with one of " + ways);
    }
}
