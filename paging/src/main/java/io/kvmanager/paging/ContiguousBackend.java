package io.kvmanager.paging;

import io.kvmanager.Admission;
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
import io.kvmanager.StepBatch;
import io.kvmanager.Tier;
import io.kvmanager.TierBytes;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.KvCacheBackend;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.RowExchange;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The cache {@code full}: every sequence has one contiguous region of its greatest length, as engines without a memory
 * manager do it. It shares the kernels with the paged caches and none of their memory management, which makes it what
 * that is compared with.
 *
 * <pre>
 * region of sequence s, layer l, role r (0 = K, 1 = V):
 *   blocks ((s * layers + l) * 2 + r) * blocksPerLayer ..., in order; the table is the identity from there
 * tables: [blocks] the identity, [maxSequences] blocks of a layer of each sequence
 * </pre>
 */
final class ContiguousBackend implements KvCacheBackend {
    private final KvCacheConfig config;
    private final CacheGeometry geometry;
    private final Device device;
    private final RowExchange exchange;
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
        this.exchange = device.exchange();
        geometry = config.geometry();
        blocksPerLayer = geometry.blocksFor(config.maxSequenceTokens());
        MemoryPlan plan = plan(config);
        slab = device.allocate(Tier.DEVICE, plan.slabBytes());
        tables = device.allocate(Tier.DEVICE, plan.tableBytes());
        kernels = device.kernels(geometry, slab);
        workspace = new AttentionWorkspace(device, geometry, config.maxSequenceTokens());
        int[] identity = RowSelection.all(plan.blocks()).rows();
        device.write(MemorySegment.ofArray(identity), tables, 0, 4L * identity.length);
        open.addAll(Collections.nCopies(config.maxSequences(), null));
    }

    static MemoryPlan plan(KvCacheConfig config) {
        CacheGeometry geometry = config.geometry();
        int perSequence = 2 * geometry.layers() * geometry.blocksFor(config.maxSequenceTokens());
        int blocks = Math.multiplyExact(perSequence, config.maxSequences());
        return new MemoryPlan(
                blocks,
                (long) blocks * geometry.blockBytes(),
                4L * blocks + 4L * config.maxSequences(),
                AttentionWorkspace.bytes(geometry, config.maxSequenceTokens())
                        + ProviderSelection.scratchBytes(config.device(), geometry, config.maxSequenceTokens()),
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
                    new TierBytes(needed, 0), new TierBytes(config.deviceBytes(), 0), new Ledger(List.of(), 0, 0));
        }
    }

    @Override
    public synchronized KvSequence openSequence() {
        requireOpen();
        int region = open.indexOf(null);
        if (region < 0) {
            throw new TooManySequences(config.maxSequences());
        }
        Sequence sequence = new Sequence(region);
        open.set(region, sequence);
        peakOpen = Math.max(peakOpen, openCount());
        return sequence;
    }

    @Override
    public synchronized Admission admit(int promptTokens, int newTokens) {
        requireOpen();
        long tokens = AdmissionControl.requireLengths(promptTokens, newTokens);
        if (tokens > config.maxSequenceTokens()) {
            return AdmissionControl.tooLong(tokens, config);
        }
        return open.contains(null) ? new Admission.Admit() : new Admission.Wait(new TierBytes(regionBytes(), 0), 1);
    }

    @Override
    public Admission admit(KvSequence suspended) {
        throw new IllegalStateException("this cache does not suspend sequences");
    }

    @Override
    public synchronized void begin(StepBatch batch) {
        requireOpen();
        Set<KvSequence> seen = new HashSet<>();
        for (int i = 0; i < batch.size(); i++) {
            owned(batch.sequence(i)).requireRoom(batch.tokens(i));
            if (!seen.add(batch.sequence(i))) {
                throw new IllegalArgumentException("step " + i + " is of a sequence that has a step in the batch");
            }
        }
        for (int i = 0; i < batch.size(); i++) {
            owned(batch.sequence(i)).step.begin(batch.tokens(i), batch.isPrompt(i));
        }
    }

    private Sequence owned(KvSequence sequence) {
        if (sequence instanceof Sequence own && own.backend() == this) {
            return own;
        }
        throw new IllegalArgumentException("the sequence is not of this cache");
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the cache is closed");
        }
    }

    private int openCount() {
        return open.size() - Collections.frequency(open, null);
    }

    private long regionBytes() {
        return slab.byteSize() / config.maxSequences();
    }

    private int firstBlock(int region, int layer, int role) {
        return ((region * geometry.layers() + layer) * 2 + role) * blocksPerLayer;
    }

    private MemorySegment table(int firstBlock) {
        return tables.asSlice(4L * firstBlock, 4L * blocksPerLayer);
    }

    private DeviceCount blockCount(int region) {
        long at = tables.byteSize() - 4L * (config.maxSequences() - region);
        return new DeviceCount(device.table(tables.asSlice(at, 4)), 0, blocksPerLayer);
    }

    @Override
    public String deviceDescription() {
        return device.description();
    }

    @Override
    public long stream() {
        return device.stream();
    }

    @Override
    public synchronized void synchronize() {
        device.synchronize();
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
            for (Sequence sequence : open) {
                if (sequence != null) {
                    sequence.step.close();
                }
            }
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
        private final DeviceCount blocks;
        private int length;

        Sequence(int region) {
            this.region = region;
            this.blocks = blockCount(region);
            for (int layer = 0; layer < keys.length; layer++) {
                keys[layer] = table(firstBlock(region, layer, 0));
                values[layer] = table(firstBlock(region, layer, 1));
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
            requireRoom(tokens);
            step.begin(tokens, prompt);
        }

        private void requireRoom(int tokens) {
            step.requireIdle();
            if (tokens < 1) {
                throw new IllegalArgumentException("a prompt of " + tokens + " tokens; accepted: 1 or more");
            }
            if (length + tokens > config.maxSequenceTokens()) {
                throw new SequenceTooLong(length + tokens, config.maxSequenceTokens());
            }
        }

        private ContiguousBackend backend() {
            return ContiguousBackend.this;
        }

        @Override
        public long deviceBytes() {
            step.requireOpen();
            return regionBytes();
        }

        @Override
        public RowSelection attendPrompt(
                int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
            synchronized (ContiguousBackend.this) {
                step.requireLayer(layer, true);
                StepProtocol.requireAlive(layer, rows, step.tokens());
                StepProtocol.requireRows(geometry, rows, q, k, v, out);
                step.working();
                store(layer, rows, k, v);
                MemorySegment queries = exchange.queries(q);
                MemorySegment output = exchange.output(out);
                kernels.attendPrompt(queries, rows, length, keys[layer], values[layer], output, workspace.weights());
                exchange.deliver(out);
                step.layerDone(keys.length);
                return RowSelection.all(rows);
            }
        }

        @Override
        public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
            synchronized (ContiguousBackend.this) {
                step.requireLayer(layer, false);
                StepProtocol.requireRows(geometry, 1, q, k, v, out);
                step.working();
                store(layer, 1, k, v);
                kernels.scores(exchange.queries(q), keys[layer], length + 1, workspace);
                kernels.list(geometry, values[layer], blocks, workspace.tiles());
                MemorySegment output = exchange.output(out);
                kernels.values(workspace.weights(), workspace.maxTokens(), workspace.tiles(), output, false);
                exchange.deliver(out);
                step.layerDone(keys.length);
            }
        }

        private void store(int layer, int rows, MemorySegment k, MemorySegment v) {
            int end = geometry.blocksFor(length + rows);
            for (int block = geometry.blocksFor(length); block < end; block++) {
                kernels.zero(firstBlock(region, layer, 0) + block);
                kernels.zero(firstBlock(region, layer, 1) + block);
            }
            blocks.set(end);
            kernels.append(Role.KEY, keys[layer], length, exchange.keys(k), rows);
            kernels.append(Role.VALUE, values[layer], length, exchange.values(v), rows);
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
                try {
                    device.copy(slab, region * bytes, slab, copy.region * bytes, bytes);
                } catch (RuntimeException | Error failure) {
                    copy.close();
                    throw failure;
                }
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
            return FetchReport.NONE;
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
