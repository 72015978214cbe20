package io.kvmanager.kernels;

import io.kvmanager.KvCacheException;
import io.kvmanager.spi.Usability;

/**
 * What a user wrote behind {@code host:}.
 *
 * @param kernels {@code plain}, {@code vector}, or empty for the best that can run
 * @param threads threads of the device's own, or {@link #SHARED_THREADS}
 */
record HostArgument(String kernels, int threads) {
    static final int SHARED_THREADS = 0;
    private static final String THREADS = "threads=";
    private static final int MAX_THREADS = 1024;

    static HostArgument parse(String text) {
        String kernels = "";
        int threads = SHARED_THREADS;
        for (String part : text.split(",", -1)) {
            if (part.equals(PlainKernels.NAME) || part.equals(VectorSupport.NAME)) {
                kernels = part;
            } else if (part.startsWith(THREADS)) {
                threads = threads(text, part.substring(THREADS.length()));
            } else if (!text.isEmpty()) {
                throw refusal(text);
            }
        }
        return new HostArgument(kernels, threads);
    }

    private static int threads(String text, String number) {
        if (!number.matches("[0-9]{1,4}")) {
            throw refusal(text);
        }
        int threads = Integer.parseInt(number);
        if (threads < 1 || threads > MAX_THREADS) {
            throw refusal(text);
        }
        return threads;
    }

    private static IllegalArgumentException refusal(String text) {
        return new IllegalArgumentException("argument '" + text + "' of device host is unknown; accepted: nothing, "
                + "plain, vector, threads=1.." + MAX_THREADS + ", or plain and vector with ',threads=N' behind");
    }

    /** The kernels to use, and why. */
    KernelChoice choose() {
        if (kernels.equals(PlainKernels.NAME)) {
            return new KernelChoice(false, "plain kernels", "asked for");
        }
        return switch (VectorSupport.probe()) {
            case Usability.Usable usable ->
                new KernelChoice(true, usable.detail(), kernels.isEmpty() ? "best that can run" : "asked for");
            case Usability.Unusable unusable -> {
                if (!kernels.isEmpty()) {
                    throw new KvCacheException.ProviderUnusable(
                            "device 'host:" + kernels + "' cannot run here: " + unusable.reason());
                }
                yield new KernelChoice(false, "plain kernels", unusable.reason());
            }
        };
    }

    /**
     * Which kernels a device uses.
     *
     * @param vector the Vector API kernels rather than the plain ones
     * @param description for people
     * @param reason why these
     */
    record KernelChoice(boolean vector, String description, String reason) {}
}
