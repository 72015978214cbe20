package io.kvmanager.bench.stress;

import io.kvmanager.CacheName;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * What a run is asked for.
 *
 * @param caches caches in turn
 * @param seed the first life's seed; the next life has the next
 * @param operations operations in all, or {@link #UNLIMITED}
 * @param seconds time in all, or {@link #UNLIMITED}
 * @param deviceBytes device budget of every cache, or {@link StressSetting#DRAWN}
 * @param hostBytes host budget of every cache, or {@link StressSetting#DRAWN}
 * @param faults what may go wrong
 * @param threads threads that work on a cache at the same time
 * @param device the device below the faults
 */
record StressOptions(
        List<CacheName> caches,
        long seed,
        long operations,
        long seconds,
        long deviceBytes,
        long hostBytes,
        Set<Fault> faults,
        int threads,
        String device) {
    /** No limit. */
    static final long UNLIMITED = Long.MAX_VALUE;

    StressOptions {
        caches = List.copyOf(caches);
        faults = faults.isEmpty() ? EnumSet.noneOf(Fault.class) : EnumSet.copyOf(faults);
    }
}
