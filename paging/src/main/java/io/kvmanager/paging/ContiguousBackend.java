package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.FetchReport;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvCacheException.SequenceTooLong;
import io.kvmanager.KvCacheException.TooManySequences;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.Ledger.Account;
import io.kvmanager.MemoryPlan;
import io.kvmanager.MemoryUse;
import io.kvmanager.RowSelection;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.KvCacheBackend;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The cache {@code full}: every sequence has one contiguous region of its greatest length, as engines without a memory
 * manager do it. It shares the kernels with the paged caches and none of their memory management, which makes it what
 * that is compared with.
 *
 * <pre>
 * region of sequence s, layer l, role r (0 = K, 1 = V):
 *   blocks ((s * layers + l) * 2 + r) * blocksPerLayer ..., in order; the table is the identity from there
 * </pre>
 */
final class ContiguousBackend implements KvCacheBackend {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    private final KvCacheConfig config;
    private final CacheGeometry geometry;
    private final Device device;
    private final MemorySegment tables;
    private final MemorySegment slab;
    private final AttentionKernels kernels;
    private final AttentionWorkspace workspace;
    private final int blocksPerLayer;
    private final List<Sequence> open = new ArrayList<>();
    private int peakOpen;
    private boolean closed;

    ContiguousBackend(KvCacheConfig config, Device device) {
        this.config = config;
        this.device = device;
        geometry = config.geometry();
        blocksPerLayer = geometry.blocksFor(config.maxSequenceTokens());
        MemoryPlan plan = plan(config);
        slab = device.allocate(Tier.DEVICE, plan.slabBytes());
        tables = device.allocate(Tier.DEVICE, plan.tableBytes());
        kernels = device.kernels(geometry, slab);
        workspace = new AttentionWorkspace(device, geometry, config.maxSequenceTokens());
        for (int block = 0; block < plan.blocks(); block++) {
            tables.setAtIndex(INT, block, block);
        }
        open.addAll(Collections.nCopies(config.maxSequences(), null));
    }

    static MemoryPlan plan(KvCacheConfig config) {
        CacheGeometry geometry = config.geometry();
        int perSequence = 2 * geometry.layers() * geometry.blocksFor(config.maxSequenceTokens());
        int blocks = Math.multiplyExact(perSequence, config.maxSequences());
        return new MemoryPlan(
                blocks,
                (long) blocks * geometry.blockBytes(),
                4L * blocks,
                AttentionWorkspace.bytes(geometry, config.maxSequenceTokens()),
                0,
                perSequence,
                0,
                config.maxSequences(),
                Collections.nCopies(geometry.layers(), config.promptTokens()),
                config.fullBytes(config.maxSequenceTokens()));
    }

    /** Throws if the budget does not hold the regions. */
    static void requireOneSequence(KvCacheConfig config) {
        long needed = plan(config).deviceBytes();
        if (config.deviceBytes() != KvCacheConfig.DERIVED && needed > config.deviceBytes()) {
            throw new OutOfMemory(
                    Tier.DEVICE, needed, config.deviceBytes(), "deviceBytes", new Ledger(List.of(), 0, 0));
        }
    }

    @Override
    public synchronized KvSequence openSequence() {
        if (closed) {
            throw new IllegalStateException("the cache is closed");
        }
        int region = open.indexOf(null);
        if (region < 0) {
            throw new TooManySequences(config.maxSequences());
        }
        Sequence sequence = new Sequence(region);
        open.set(region, sequence);
        peakOpen = Math.max(peakOpen, openCount());
        return sequence;
    }

    private int openCount() {
        return open.size() - Collections.frequency(open, null);
    }

    private long regionBytes() {
        return slab.byteSize() / config.maxSequences();
    }

    private MemorySegment table(int region, int layer, int role) {
        long first = ((long) (region * geometry.layers() + layer) * 2 + role) * blocksPerLayer;
        return tables.asSlice(4 * first, 4L * blocksPerLayer);
    }

    @Override
    public String deviceDescription() {
        return device.description();
    }

    @Override
    public synchronized Ledger ledger() {
        long used = openCount() * regionBytes();
        return new Ledger(
                List.of(
                        new Ledger.Entry(Tier.DEVICE, Account.FREE, slab.byteSize() - used),
                        new Ledger.Entry(Tier.DEVICE, Account.OPEN, used)),
                slab.byteSize(),
                0);
    }

    @Override
    public synchronized MemoryUse memory() {
        long beside = device.allocatedBytes(Tier.DEVICE) - slab.byteSize();
        return new MemoryUse(
                beside + openCount() * regionBytes(),
                beside + peakOpen * regionBytes(),
                device.allocatedBytes(Tier.DEVICE),
                0,
                0,
                device.allocatedBytes(Tier.HOST));
    }

    @Override
    public List<String> audit() {
        return ledger().imbalances();
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            device.close();
        }
    }

    /** One region in use. */
    private final class Sequence implements KvSequence {
        private final int region;
        private final StepProtocol step = new StepProtocol();
        private final MemorySegment[] keys = new MemorySegment[geometry.layers()];
        private final MemorySegment[] values = new MemorySegment[geometry.layers()];
        private int length;

        Sequence(int region) {
            this.region = region;
            for (int layer = 0; layer < keys.length; layer++) {
                keys[layer] = table(region, layer, 0);
                values[layer] = table(region, layer, 1);
            }
        }

        @Override
        public int length() {
            step.requireOpen();
            return length;
        }

        @Override
        public int retained(int layer) {
            return length();
        }

        @Override
        public int[] positions(int layer) {
            return RowSelection.all(length()).rows();
        }

        @Override
        public void beginPrompt(int tokens) {
            begin(tokens, true);
        }

        @Override
        public void beginToken() {
            begin(1, false);
        }

        private void begin(int tokens, boolean prompt) {
            step.requireIdle();
            if (tokens < 1) {
                throw new IllegalArgumentException("a prompt of " + tokens + " tokens; accepted: 1 or more");
            }
            if (length + tokens > config.maxSequenceTokens()) {
                throw new SequenceTooLong(length + tokens, config.maxSequenceTokens());
            }
            step.begin(tokens, prompt);
        }

        @Override
        public RowSelection attendPrompt(
                int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
            synchronized (ContiguousBackend.this) {
                step.requireLayer(layer, true);
                store(layer, rows, k, v);
                kernels.attendPrompt(q, rows, length, keys[layer], values[layer], out, workspace.weights());
                step.layerDone(keys.length);
                return RowSelection.all(rows);
            }
        }

        @Override
        public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
            synchronized (ContiguousBackend.this) {
                step.requireLayer(layer, false);
                store(layer, 1, k, v);
                kernels.scores(q, keys[layer], length + 1, workspace);
                workspace.tiles().clear();
                workspace.tiles().addBlocks(geometry, values[layer], geometry.blocksFor(length + 1));
                kernels.values(workspace.weights(), workspace.maxTokens(), workspace.tiles(), out, false);
                step.layerDone(keys.length);
            }
        }

        private void store(int layer, int rows, MemorySegment k, MemorySegment v) {
            int block = geometry.blocksFor(length);
            for (; block < geometry.blocksFor(length + rows); block++) {
                kernels.zero(keys[layer].getAtIndex(INT, block));
                kernels.zero(values[layer].getAtIndex(INT, block));
            }
            kernels.append(keys[layer], length, k, rows);
            kernels.append(values[layer], length, v, rows);
        }

        @Override
        public void commit() {
            step.requireComplete(keys.length);
            length += step.tokens();
            step.end();
        }

        @Override
        public KvSequence fork() {
            synchronized (ContiguousBackend.this) {
                step.requireIdle();
                Sequence copy = (Sequence) openSequence();
                long bytes = regionBytes();
                MemorySegment.copy(slab, region * bytes, slab, copy.region * bytes, bytes);
                copy.length = length;
                return copy;
            }
        }

        @Override
        public void truncate(int newLength) {
            step.requireIdle();
            if (newLength < 0 || newLength > length) {
                throw new IllegalArgumentException("truncate to " + newLength + " tokens; accepted: 0 to " + length);
            }
            length = newLength;
        }

        @Override
        public FetchReport fetchReport() {
            return new FetchReport(0, 0, 0, 0, 0, 0, 0);
        }

        @Override
        public void close() {
            synchronized (ContiguousBackend.this) {
                step.close();
                open.set(region, null);
            }
        }
    }
}
