package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.RowExchange;
import io.kvmanager.spi.TileResidency;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/**
 * A device that runs behind the host on a {@link VirtualStream}, and whose kernels compare every slot they read with
 * what the model says it holds. Tables exist twice, as on a real one: what the host set, and what has arrived.
 */
final class VirtualDevice implements Device {
    private final Arena arena = Arena.ofConfined();
    private final Map<Tier, Long> allocated = new EnumMap<>(Tier.class);
    private final Map<Long, VirtualTable> tables = new HashMap<>();
    private final VirtualStream stream;
    private final SplittableRandom random;
    private final SlotModel model;
    private boolean closed;

    VirtualDevice(SplittableRandom random, int depth, SlotModel model) {
        this.random = random;
        this.model = model;
        this.stream = new VirtualStream(random, depth);
    }

    @Override
    public String description() {
        return "virtual";
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
        return new ProbingKernels(geometry, slab, this, stream, model);
    }

    @Override
    public TileResidency tileResidency(AttentionKernels kernels, TileResidency.Request request) {
        return new RandomResidency((ProbingKernels) kernels, request, this, random);
    }

    @Override
    public IntTable table(MemorySegment memory) {
        VirtualTable table = new VirtualTable(memory);
        if (memory.byteSize() > 0) {
            tables.put(memory.address(), table);
        }
        return table;
    }

    /** The table in {@code memory}. */
    VirtualTable tableAt(MemorySegment memory) {
        return Objects.requireNonNull(tables.get(memory.address()), "no table lies here");
    }

    /** What the host wrote and what the device has. */
    final class VirtualTable implements IntTable {
        private final MemorySegment memory;
        private final int[] host;

        VirtualTable(MemorySegment memory) {
            this.memory = memory;
            this.host = new int[(int) (memory.byteSize() / 4)];
        }

        @Override
        public int size() {
            return host.length;
        }

        @Override
        public int get(int index) {
            return host[index];
        }

        @Override
        public void set(int index, int value) {
            host[index] = value;
            MemorySegment entry = memory.asSlice(4L * index, 4);
            stream.launch().writes(entry).go(() -> entry.set(ValueLayout.JAVA_INT, 0, value));
        }

        @Override
        public void fill(int from, int to, int value) {
            Arrays.fill(host, from, to, value);
            MemorySegment entries = memory.asSlice(4L * from, 4L * (to - from));
            stream.launch().writes(entries).go(() -> {
                for (int i = 0; i < to - from; i++) {
                    entries.setAtIndex(ValueLayout.JAVA_INT, i, value);
                }
            });
        }

        @Override
        public MemorySegment memory() {
            return memory;
        }

        /** The first entries as the host has them now. */
        int[] copy(int entries) {
            return Arrays.copyOf(host, entries);
        }
    }

    @Override
    public void write(MemorySegment from, MemorySegment to, long toOffset, long bytes) {
        byte[] copy = from.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE);
        MemorySegment target = to.asSlice(toOffset, bytes);
        stream.launch().writes(target).go(() -> target.copyFrom(MemorySegment.ofArray(copy)));
    }

    @Override
    public void read(MemorySegment from, long fromOffset, MemorySegment to, long bytes) {
        stream.drain();
        MemorySegment.copy(from, fromOffset, to, 0, bytes);
    }

    @Override
    public void copy(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
        MemorySegment source = from.asSlice(fromOffset, bytes);
        MemorySegment target = to.asSlice(toOffset, bytes);
        stream.launch().reads(source).writes(target).go(() -> target.copyFrom(source));
    }

    @Override
    public void synchronize() {
        stream.drain();
    }

    /** Rows are copied when a call begins, so the engine may change its buffers while the kernels are pending. */
    @Override
    public RowExchange exchange() {
        return new RowExchange() {
            @Override
            public MemorySegment queries(MemorySegment q) {
                return copied(q);
            }

            @Override
            public MemorySegment keys(MemorySegment k) {
                return copied(k);
            }

            @Override
            public MemorySegment values(MemorySegment v) {
                return copied(v);
            }
        };
    }

    private static MemorySegment copied(MemorySegment rows) {
        return MemorySegment.ofArray(rows.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
    }

    @Override
    public void close() {
        if (!closed) {
            stream.drain();
            closed = true;
            arena.close();
        }
    }
}
