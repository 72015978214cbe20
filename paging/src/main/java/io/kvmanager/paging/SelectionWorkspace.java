package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import io.kvmanager.spi.Device;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Scratch memory of pruning, allocated once per cache: what kernels work on, and the host's side of it.
 *
 * <pre>
 * device memory:
 * scores     [maxTokens]  F32    one per context slot, written by kernels
 * rowWeights [maxTokens]  F32    one per voting query, written by the host
 * kept       [maxTokens]  int32  slots that stay, ascending, written by the host
 * queries    [observationQueries][queryHeads][headSize]  F32
 * </pre>
 */
final class SelectionWorkspace {
    private final Device device;
    private final MemorySegment scores;
    private final MemorySegment rowWeights;
    private final MemorySegment kept;
    private final MemorySegment queries;
    private final float[] hostScores;
    private final float[] hostWeights;
    private final int[] hostKept;
    private final MemorySegment hostScoresView;
    private final MemorySegment hostWeightsView;
    private final MemorySegment hostKeptView;
    private final PivotalContext pivotalContext;

    SelectionWorkspace(Device device, CacheGeometry geometry, PyramidSchedule schedule, int maxTokens) {
        this.device = device;
        int tokens = prunes(schedule, geometry) ? maxTokens : 0;
        scores = device.allocate(Tier.DEVICE, 4L * tokens);
        rowWeights = device.allocate(Tier.DEVICE, 4L * tokens);
        kept = device.allocate(Tier.DEVICE, 4L * tokens);
        queries = device.allocate(Tier.DEVICE, queryBytes(geometry, schedule));
        hostScores = new float[tokens];
        hostWeights = new float[tokens];
        hostKept = new int[tokens];
        hostScoresView = MemorySegment.ofArray(hostScores);
        hostWeightsView = MemorySegment.ofArray(hostWeights);
        hostKeptView = MemorySegment.ofArray(hostKept);
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

    /** Where kernels write scores. */
    MemorySegment scores() {
        return scores;
    }

    /** The first {@code count} scores that kernels wrote; waits for them. */
    float[] readScores(int count) {
        device.read(scores, 0, hostScoresView, 4L * count);
        return hostScores;
    }

    /** Scores without any attention. */
    float[] equalScores(int count) {
        Arrays.fill(hostScores, 0, count, 0);
        return hostScores;
    }

    /** The host's weights, to be filled and written. */
    float[] weights() {
        return hostWeights;
    }

    /** Writes the first {@code count} of {@link #weights()} to device memory. */
    MemorySegment writeWeights(int count) {
        device.write(hostWeightsView, rowWeights, 0, 4L * count);
        return rowWeights;
    }

    /** The host's kept slots, to be filled and written. */
    int[] kept() {
        return hostKept;
    }

    /** Writes the first {@code count} of {@link #kept()} to device memory. */
    MemorySegment writeKept(int count) {
        device.write(hostKeptView, kept, 0, 4L * count);
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
            hostKept[at + slot - from] = slot;
        }
    }

    /** The first {@code count} entries of {@link #kept()}; a copy. */
    int[] chosen(int count) {
        return Arrays.copyOf(hostKept, count);
    }
}
