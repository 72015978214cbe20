package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import io.kvmanager.spi.Device;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Scratch memory of pruning, allocated once per cache.
 *
 * <pre>
 * scores     [maxTokens]  F32    one per context slot
 * rowWeights [maxTokens]  F32    one per voting query
 * kept       [maxTokens]  int32  slots that stay, ascending
 * queries    [observationQueries][queryHeads][headSize]  F32
 * </pre>
 */
final class SelectionWorkspace {
    private final MemorySegment scores;
    private final MemorySegment rowWeights;
    private final MemorySegment kept;
    private final MemorySegment queries;
    private final PivotalContext pivotalContext;

    SelectionWorkspace(Device device, CacheGeometry geometry, PyramidSchedule schedule, int maxTokens) {
        int tokens = prunes(schedule, geometry) ? maxTokens : 0;
        scores = device.allocate(Tier.DEVICE, 4L * tokens);
        rowWeights = device.allocate(Tier.DEVICE, 4L * tokens);
        kept = device.allocate(Tier.DEVICE, 4L * tokens);
        queries = device.allocate(Tier.DEVICE, queryBytes(geometry, schedule));
        pivotalContext = new PivotalContext(tokens);
    }

    /** Device bytes that it takes. */
    static long bytes(CacheGeometry geometry, PyramidSchedule schedule, int maxTokens) {
        return (prunes(schedule, geometry) ? 12L * maxTokens : 0) + queryBytes(geometry, schedule);
    }

    private static boolean prunes(PyramidSchedule schedule, CacheGeometry geometry) {
        boolean prunes = schedule.dropsRows();
        for (int layer = 0; layer < geometry.layers(); layer++) {
            prunes |= schedule.prunesInGeneration(layer);
        }
        return prunes;
    }

    private static long queryBytes(CacheGeometry geometry, PyramidSchedule schedule) {
        int most = 0;
        for (int layer = 0; layer < geometry.layers(); layer++) {
            most = Math.max(most, schedule.observationQueries(layer));
        }
        return 4L * most * geometry.queryRowElements();
    }

    MemorySegment scores() {
        return scores;
    }

    MemorySegment rowWeights() {
        return rowWeights;
    }

    MemorySegment kept() {
        return kept;
    }

    MemorySegment queries() {
        return queries;
    }

    PivotalContext pivotalContext() {
        return pivotalContext;
    }

    /** Writes {@code from..to-1} to {@link #kept()} from entry {@code at} on. */
    void appendRange(int at, int from, int to) {
        for (int slot = from; slot < to; slot++) {
            kept.setAtIndex(ValueLayout.JAVA_INT, at + slot - from, slot);
        }
    }

    /** The first {@code count} entries of {@link #kept()}. */
    int[] chosen(int count) {
        int[] slots = new int[count];
        MemorySegment.copy(kept, ValueLayout.JAVA_INT, 0, slots, 0, count);
        return slots;
    }
}
