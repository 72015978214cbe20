package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.PlacementPolicy;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Where the tables of a sequence lie in the device memory that is set aside for it at open.
 *
 * <pre>
 * per layer, int32 or F32:
 *   keys [maxBlocks]  values [maxBlocks]  homes [maxBlocks]  summaries [maxBlocks / blockTokens, rounded up]
 *   query table [queryBlocks]  query logSumExp [observationQueries][queryHeads]
 * summaries are there only if V is offloaded, the query parts only where queries vote
 * </pre>
 */
final class TableLayout {
    private final CacheGeometry geometry;
    private final PyramidSchedule schedule;
    private final int maxBlocks;
    private final int summaryEntries;

    TableLayout(KvCacheConfig config) {
        geometry = config.geometry();
        schedule = new PyramidSchedule(config.retention(), geometry.layers());
        maxBlocks = geometry.blocksFor(config.maxSequenceTokens());
        summaryEntries = config.placement() instanceof PlacementPolicy.Offloaded ? geometry.blocksFor(maxBlocks) : 0;
    }

    /** Device bytes of one sequence's tables. */
    long bytes() {
        long bytes = 0;
        for (int layer = 0; layer < geometry.layers(); layer++) {
            bytes += layerBytes(layer);
        }
        return bytes;
    }

    private long layerBytes(int layer) {
        int queries = schedule.observationQueries(layer);
        return 4L * (3L * maxBlocks + summaryEntries)
                + 4L * geometry.blocksFor(queries * geometry.groupSize())
                + 4L * queries * geometry.queryHeads();
    }

    /** The tables of one layer in a sequence's memory. */
    Tables tables(MemorySegment memory, int layer) {
        long at = 0;
        for (int before = 0; before < layer; before++) {
            at += layerBytes(before);
        }
        Cursor cursor = new Cursor(memory, at);
        MemorySegment keys = cursor.next(maxBlocks);
        MemorySegment values = cursor.next(maxBlocks);
        MemorySegment homes = cursor.next(maxBlocks);
        MemorySegment summaries = cursor.next(summaryEntries);
        int queries = schedule.observationQueries(layer);
        MemorySegment queryTable = cursor.next(geometry.blocksFor(queries * geometry.groupSize()));
        MemorySegment statistics = cursor.next(queries * geometry.queryHeads());
        return new Tables(keys, values, homes, summaries, queries, queryTable, statistics);
    }

    private static final class Cursor {
        private final MemorySegment memory;
        private long at;

        Cursor(MemorySegment memory, long at) {
            this.memory = memory;
            this.at = at;
        }

        MemorySegment next(int entries) {
            MemorySegment slice = memory.asSlice(at, 4L * entries);
            at += 4L * entries;
            return slice;
        }
    }

    /** One layer's slices. */
    record Tables(
            MemorySegment keys,
            MemorySegment values,
            MemorySegment homes,
            MemorySegment summaries,
            int observationQueries,
            MemorySegment queryTable,
            MemorySegment logSumExp) {

        @Nullable
        QueryWindow queryWindow(PagedBackend backend, int layer) {
            return observationQueries == 0
                    ? null
                    : new QueryWindow(backend.geometry(), backend.kernels(), observationQueries, queryTable, logSumExp);
        }
    }
}
