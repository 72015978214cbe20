package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Where the tables of a sequence lie in the device memory that is set aside for it at open.
 *
 * <pre>
 * per layer: counters of the layer's FetchTally
 * per layer, int32 or F32:
 *   counts [4]: slots, blocks, summary blocks, query entries
 *   keys [maxBlocks]  values [maxBlocks]  homes [maxBlocks]  summaries and codes as StandInShape says
 *   query table [queryBlocks]  query logSumExp [observationQueries][queryHeads]
 * the query parts are there only where queries vote
 * </pre>
 */
final class TableLayout {
    private static final int COUNTS = 4;

    private final CacheGeometry geometry;
    private final PyramidSchedule schedule;
    private final int maxBlocks;
    private final int summaryEntries;
    private final int codeEntries;

    TableLayout(KvCacheConfig config) {
        geometry = config.geometry();
        schedule = new PyramidSchedule(config.retention(), geometry.layers(), geometry.blockTokens());
        maxBlocks = geometry.blocksFor(config.maxSequenceTokens());
        StandInShape standIns = StandInShape.of(geometry, config.placement());
        summaryEntries = standIns.summaryEnd(maxBlocks);
        codeEntries = standIns.codeEnd(maxBlocks);
    }

    /** Device bytes of one sequence's tables. */
    long bytes() {
        long bytes = layerOffset(geometry.layers());
        return (bytes + 7) / 8 * 8; // the next sequence's counters are 8-byte values
    }

    private long layerOffset(int layer) {
        long at = countersBytes();
        for (int before = 0; before < layer; before++) {
            at += layerBytes(before);
        }
        return at;
    }

    private long layerBytes(int layer) {
        int queries = schedule.observationQueries(layer);
        return 4L * (COUNTS + 3L * maxBlocks + summaryEntries + codeEntries)
                + 4L * geometry.blocksFor(queries * geometry.groupSize())
                + 4L * queries * geometry.queryHeads();
    }

    /** Bytes of the counters of all layers, which are in front. */
    long countersBytes() {
        return geometry.layers() * FetchTally.counterBytes(geometry);
    }

    /** The counters of a layer's tally in a sequence's memory. */
    FetchTally tally(Device device, MemorySegment memory, int layer) {
        long bytes = FetchTally.counterBytes(geometry);
        return new FetchTally(device, geometry, memory.asSlice(layer * bytes, bytes));
    }

    /** The tables of one layer in a sequence's memory. */
    Tables tables(Device device, MemorySegment memory, int layer) {
        Cursor cursor = new Cursor(memory, layerOffset(layer));
        IntTable counts = device.table(cursor.next(COUNTS));
        int queries = schedule.observationQueries(layer);
        int maxSlots = maxBlocks * geometry.blockTokens();
        return new Tables(
                new DeviceCount(counts, 0, maxSlots),
                new DeviceCount(counts, 1, maxBlocks),
                new DeviceCount(counts, 2, summaryEntries),
                new DeviceCount(counts, 3, queries),
                device.table(cursor.next(maxBlocks)),
                device.table(cursor.next(maxBlocks)),
                device.table(cursor.next(maxBlocks)),
                device.table(cursor.next(summaryEntries)),
                device.table(cursor.next(codeEntries)),
                device.table(cursor.next(geometry.blocksFor(queries * geometry.groupSize()))),
                cursor.next(queries * geometry.queryHeads()));
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
            DeviceCount slots,
            DeviceCount blocks,
            DeviceCount summaryBlocks,
            DeviceCount queryEntries,
            IntTable keys,
            IntTable values,
            IntTable homes,
            IntTable summaries,
            IntTable codes,
            IntTable queryTable,
            MemorySegment logSumExp) {

        @Nullable
        QueryWindow queryWindow(PagedBackend backend) {
            return queryEntries.limit() == 0
                    ? null
                    : new QueryWindow(
                            backend.geometry(),
                            backend.device(),
                            backend.kernels(),
                            queryEntries,
                            queryTable,
                            logSumExp);
        }
    }
}
