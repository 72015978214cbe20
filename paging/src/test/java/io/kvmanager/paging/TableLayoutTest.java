package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.Tier;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.ProviderSelection;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The tables of all layers fill a sequence's memory without gaps, and none lies over another. */
class TableLayoutTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(3, 6, 2, 8, 8, ElementType.F32);
    private static final int MAX_BLOCKS = 13;

    private static TableLayout layout(CacheName cache, Compensation compensation, String retention) {
        return new TableLayout(KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain")
                .set("retention", retention)
                .compensation(compensation)
                .maxSequenceTokens(100)
                .build());
    }

    private static long requireFilled(TableLayout layout, int[] queries, int summaries, int codes) {
        try (Device device = ProviderSelection.device("host:plain")) {
            MemorySegment memory = device.allocate(Tier.DEVICE, layout.bytes());
            assertEquals(0, layout.bytes() % 8, "the next sequence's counters are 8-byte values");
            long at = memory.address() + layout.countersBytes();
            for (int layer = 0; layer < queries.length; layer++) {
                TableLayout.Tables tables = layout.tables(device, memory, layer);
                assertEquals(MAX_BLOCKS * 8, tables.slots().limit());
                assertEquals(MAX_BLOCKS, tables.blocks().limit());
                assertEquals(summaries, tables.summaryBlocks().limit());
                assertEquals(queries[layer], tables.queryEntries().limit());
                for (DeviceCount count :
                        List.of(tables.slots(), tables.blocks(), tables.summaryBlocks(), tables.queryEntries())) {
                    assertEquals(at, count.memory().address());
                    at += 4;
                }
                int queryBlocks = (queries[layer] * 3 + 7) / 8;
                assertEquals(queryBlocks, tables.queryTable().size());
                for (IntTable table : List.of(
                        tables.keys(),
                        tables.values(),
                        tables.homes(),
                        tables.summaries(),
                        tables.codes(),
                        tables.queryTable())) {
                    assertEquals(at, table.memory().address());
                    at += table.memory().byteSize();
                }
                assertEquals(MAX_BLOCKS, tables.keys().size());
                assertEquals(MAX_BLOCKS, tables.values().size());
                assertEquals(MAX_BLOCKS, tables.homes().size());
                assertEquals(summaries, tables.summaries().size());
                assertEquals(codes, tables.codes().size());
                assertEquals(at, tables.logSumExp().address());
                assertEquals(4L * queries[layer] * 6, tables.logSumExp().byteSize());
                at += tables.logSumExp().byteSize();
            }
            long left = memory.address() + layout.bytes() - at;
            assertTrue(left >= 0 && left < 8, left + " bytes are left");
            return layout.bytes();
        }
    }

    @Test
    void tablesLieBehindOneAnother() {
        String queries = "layers(1/.3/.5,queries=5)";
        requireFilled(layout(CacheName.PAGED, Compensation.NONE, "all"), new int[] {0, 0, 0}, 0, 0);
        requireFilled(layout(CacheName.PYRAMID, Compensation.NONE, queries), new int[] {0, 5, 5}, 0, 0);
        requireFilled(layout(CacheName.KCACHE, Compensation.MEAN, "all"), new int[] {0, 0, 0}, 2, 0);
        requireFilled(layout(CacheName.PYRAMID_KCACHE, Compensation.INT8, queries), new int[] {0, 5, 5}, 4, 4);
    }
}
