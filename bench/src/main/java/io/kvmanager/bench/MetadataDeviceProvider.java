package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.DeviceProvider;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.TileList;
import io.kvmanager.spi.TileResidency;
import io.kvmanager.spi.Usability;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * The device {@code metadata}: real tables, kernels that compute nothing. What a cache costs on it is what its
 * bookkeeping costs. Never chosen by {@code auto}.
 */
public final class MetadataDeviceProvider implements DeviceProvider {

    /** For {@link java.util.ServiceLoader}. */
    public MetadataDeviceProvider() {}

    @Override
    public String name() {
        return "metadata";
    }

    @Override
    public int priority() {
        return Integer.MIN_VALUE;
    }

    @Override
    public Usability probe() {
        return new Usability.Usable("tables only; attention is not computed");
    }

    @Override
    public Device open(String argument) {
        if (!argument.isEmpty()) {
            throw new IllegalArgumentException("device 'metadata:" + argument + "' is unknown; accepted: metadata");
        }
        return new MetadataDevice();
    }

    private static final class MetadataDevice implements Device {
        private final Arena arena = Arena.ofShared();
        private final Map<Tier, Long> allocated = new EnumMap<>(Tier.class);
        private boolean closed;

        @Override
        public String description() {
            return "metadata, no kernels";
        }

        @Override
        public MemorySegment allocate(Tier tier, long bytes) {
            allocated.merge(tier, bytes, Long::sum);
            return arena.allocate(bytes, 4096);
        }

        @Override
        public long allocatedBytes(Tier tier) {
            return allocated.getOrDefault(tier, 0L);
        }

        @Override
        public AttentionKernels kernels(CacheGeometry geometry, MemorySegment slab) {
            return new NoKernels();
        }

        @Override
        public TileResidency tileResidency(AttentionKernels kernels, TileResidency.Request request) {
            return new NoTiles();
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                arena.close();
            }
        }
    }

    /** Chooses nothing: on a device with memory of its own the choice of tiles is a kernel, too. */
    private static final class NoTiles implements TileResidency {
        @Override
        public void select(
                AttentionWorkspace workspace,
                DeviceCount blocks,
                IntTable valueTable,
                IntTable homeTable,
                FetchTally tally) {}

        @Override
        public void invalidate(int home) {}

        @Override
        public List<String> audit(int[] references) {
            return List.of();
        }
    }

    /** Every operation does nothing. */
    private static final class NoKernels implements AttentionKernels {
        @Override
        public String name() {
            return "none";
        }

        @Override
        public void list(CacheGeometry geometry, MemorySegment table, DeviceCount blocks, TileList tiles) {}

        @Override
        public void renormalise(
                CacheGeometry geometry, AttentionWorkspace workspace, DeviceCount blocks, MemorySegment out) {}

        @Override
        public void remember(
                CacheGeometry geometry,
                MemorySegment table,
                MemorySegment logSumExp,
                DeviceCount end,
                MemorySegment q,
                MemorySegment statistics) {}

        @Override
        public void zero(int blockId) {}

        @Override
        public void copyBlock(int fromBlockId, int toBlockId) {}

        @Override
        public void append(Role role, MemorySegment table, int firstSlot, MemorySegment rows, int count) {}

        @Override
        public void read(Role role, MemorySegment table, int firstSlot, MemorySegment rows, int count) {}

        @Override
        public void attendPrompt(
                MemorySegment q,
                int rows,
                int firstSlot,
                MemorySegment keyTable,
                MemorySegment valueTable,
                MemorySegment out,
                MemorySegment logSumExp) {}

        @Override
        public void scores(MemorySegment q, MemorySegment keyTable, int tokens, AttentionWorkspace workspace) {}

        @Override
        public void values(MemorySegment weights, int stride, TileList tiles, MemorySegment out, boolean accumulate) {}

        @Override
        public void columnScores(
                MemorySegment q,
                MemorySegment logSumExp,
                MemorySegment rowWeights,
                int rows,
                MemorySegment keyTable,
                int firstSlot,
                int count,
                MemorySegment out) {}

        @Override
        public void compact(
                Role role,
                MemorySegment fromTable,
                MemorySegment toTable,
                MemorySegment kept,
                int firstSlot,
                int count) {}

        @Override
        public void copyRow(Role role, int kvHead, int fromBlockId, int fromSlot, int toBlockId, int toSlot) {}

        @Override
        public void summarise(int blockId, int summaryBlockId, int summarySlot) {}

        @Override
        public void store(int blockId, MemorySegment host, long hostOffset) {}

        @Override
        public void load(MemorySegment host, long hostOffset, int blockId) {}

        @Override
        public void loadTile(MemorySegment host, long hostOffset, int tileIndex) {}
    }
}
