package io.kvmanager.paging;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.TooManySequences;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.Ledger.Account;
import io.kvmanager.MemoryUse;
import io.kvmanager.PageTables;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.PrefixRequest;
import io.kvmanager.StepBatch;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.KvCacheBackend;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.RowExchange;
import io.kvmanager.spi.ValueTier;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * A cache of blocks: one slab, one pool, block tables per (sequence, layer). Owns the device and everything taken from
 * it; sequences own references to blocks.
 *
 * <p>All memory is taken at open: slab, tables for {@code maxSequences} sequences, one workspace. One lock guards all
 * of it; it is held for one layer of one step at most.
 */
final class PagedBackend implements KvCacheBackend {
    private final KvCacheConfig config;
    private final ReentrantLock lock = new ReentrantLock();
    private final PyramidSchedule schedule;
    private final TableLayout tableLayout;
    private final Device device;
    private final RowExchange exchange;
    private final MemorySegment slab;
    private final MemorySegment tables;
    private final AttentionKernels kernels;
    private final AttentionWorkspace workspace;
    private final SelectionWorkspace selection;
    private final BlockPool pool;
    private final int[] tileCacheBlocks;
    private final ValueTier tier;
    private final int homes;
    private final HostCopies copies;
    private final @Nullable PrefixSharing prefixes;
    private final Books books;
    private final Availability availability;
    private final Footprint footprint;
    private final AdmissionControl admission;
    private final Deque<Integer> freeTables = new ArrayDeque<>();
    private final Set<PagedSequence> sequences = new LinkedHashSet<>();
    private long batches;
    private boolean closed;

    /** Opens over a device that becomes this backend's own. */
    PagedBackend(KvCacheConfig config, PagedPlan plan, Device device) {
        this.config = config;
        this.device = device;
        this.exchange = device.exchange();
        CacheGeometry geometry = config.geometry();
        schedule = new PyramidSchedule(config.retention(), geometry.layers(), geometry.blockTokens());
        tableLayout = new TableLayout(config);
        slab = device.allocate(Tier.DEVICE, (long) plan.blockCount() * geometry.blockBytes());
        tables = device.allocate(Tier.DEVICE, config.maxSequences() * tableLayout.bytes());
        kernels = device.kernels(geometry, slab);
        workspace = new AttentionWorkspace(device, geometry, config.maxSequenceTokens());
        selection = new SelectionWorkspace(device, geometry, schedule, config.maxSequenceTokens());
        pool = new BlockPool(plan.blockCount());
        homes = plan.homeCount();
        tileCacheBlocks = takeTileCache(plan.tileCacheBlocks());
        tier = config.placement() instanceof PlacementPolicy.Offloaded offloaded
                ? ProviderSelection.valueTier().open(device, geometry, kernels, offloaded, tileCacheBlocks, homes)
                : new ResidentValues(
                        geometry, kernels, ProviderSelection.valueTier().openStore(device, geometry, kernels, homes));
        copies = new HostCopies(pool, tier, homes);
        footprint = new Footprint(config);
        prefixes = config.prefixes().enabled() ? new PrefixSharing(config, device, pool, tier, copies, schedule) : null;
        books = new Books(device, geometry.blockBytes(), pool, tier, copies, prefixes, tileCacheBlocks, homes);
        availability = new Availability(pool, tier, geometry, books::ledger, prefixes);
        admission = new AdmissionControl(config, availability, footprint, pool.availableBlocks(), homes);
        for (int slot = 0; slot < config.maxSequences(); slot++) {
            freeTables.add(slot);
        }
    }

    private int[] takeTileCache(int blocks) {
        int[] ids = new int[blocks];
        if (!pool.tryReserve(blocks)) {
            throw new IllegalStateException("the plan left no room for the tile cache");
        }
        for (int i = 0; i < blocks; i++) {
            ids[i] = pool.allocate(Account.TILE_CACHE);
        }
        return ids;
    }

    @Override
    public KvSequence openSequence() {
        return register(slot -> new PagedSequence(this, slot), sequence -> {});
    }

    @Override
    public KvSequence openSequence(PrefixRequest request) {
        PrefixSharing sharing = requirePrefixes();
        return register(
                slot -> new PagedSequence(this, slot),
                sequence -> sequence.startBehind(new SequencePrefix(sharing, request)));
    }

    @Override
    public int cachedTokens(PrefixRequest request) {
        lock.lock();
        try {
            requireOpen();
            SequencePrefix prefix = new SequencePrefix(requirePrefixes(), request);
            int tokens = prefix.cachedTokens();
            prefix.close();
            return tokens;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public PageTables pageTables(int layer, List<KvSequence> batch) {
        lock.lock();
        try {
            requireOpen();
            int[] indptr = new int[batch.size() + 1];
            for (int i = 0; i < batch.size(); i++) {
                indptr[i + 1] = indptr[i]
                        + owned(batch.get(i)).exportableLayer(layer).shape.blocks();
            }
            int[] keys = new int[indptr[batch.size()]];
            int[] values = new int[keys.length];
            int[] lastPageLen = new int[batch.size()];
            for (int i = 0; i < batch.size(); i++) {
                lastPageLen[i] =
                        LayerSharing.export(owned(batch.get(i)).exportableLayer(layer), keys, values, indptr[i]);
            }
            return new PageTables(slab, indptr, keys, values, lastPageLen);
        } finally {
            lock.unlock();
        }
    }

    private PrefixSharing requirePrefixes() {
        PrefixSharing sharing = prefixes;
        if (sharing == null) {
            throw new UnsupportedOperationException("this cache does not keep prefixes; open it with prefix caching");
        }
        return sharing;
    }

    /**
     * Opens a sequence.
     *
     * @param opening makes an empty one on a free set of tables
     * @param filling gives it what it begins with; what it has taken when that fails is given back
     */
    PagedSequence register(IntFunction<PagedSequence> opening, Consumer<PagedSequence> filling) {
        lock.lock();
        try {
            requireOpen();
            Integer slot = freeTables.peek();
            if (slot == null) {
                throw new TooManySequences(config.maxSequences());
            }
            PagedSequence sequence = opening.apply(slot);
            freeTables.remove();
            sequences.add(sequence);
            try {
                filling.accept(sequence);
            } catch (RuntimeException | Error failure) {
                sequence.close();
                throw failure;
            }
            return sequence;
        } finally {
            lock.unlock();
        }
    }

    void unregister(PagedSequence sequence, int tableSlot) {
        sequences.remove(sequence);
        freeTables.add(tableSlot);
    }

    @Override
    public Admission admit(int promptTokens, int newTokens) {
        lock.lock();
        try {
            requireOpen();
            return admission.admit(promptTokens, newTokens, freeTables.size());
        } finally {
            lock.unlock();
        }
    }

    @Override
    public Admission admit(KvSequence suspended) {
        lock.lock();
        try {
            requireOpen();
            return owned(suspended).admitResumption(admission);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void begin(StepBatch batch) {
        lock.lock();
        try {
            requireOpen();
            batches++;
            long blocks = 0;
            long neededHomes = 0;
            for (int i = 0; i < batch.size(); i++) {
                PagedSequence sequence = owned(batch.sequence(i));
                StepNeed need = sequence.plan(batch.tokens(i));
                if (!need.joins(batches)) {
                    throw new IllegalArgumentException("step " + i + " is of a sequence that has a step in the batch");
                }
                blocks += need.blocks();
                neededHomes += need.homes();
            }
            availability.require(blocks, neededHomes);
            for (int i = 0; i < batch.size(); i++) {
                owned(batch.sequence(i)).start(batch.tokens(i), batch.isPrompt(i));
            }
        } finally {
            lock.unlock();
        }
    }

    private PagedSequence owned(KvSequence sequence) {
        if (sequence instanceof PagedSequence own && own.of(this)) {
            return own;
        }
        throw new IllegalArgumentException("the sequence is not of this cache");
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the cache is closed");
        }
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
    public void synchronize() {
        lock.lock();
        try {
            device.synchronize();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public Ledger ledger() {
        lock.lock();
        try {
            return books.ledger();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public MemoryUse memory() {
        lock.lock();
        try {
            return books.memory();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public List<String> audit() {
        lock.lock();
        try {
            return books.audit(sequences);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        lock.lock();
        try {
            if (!closed) {
                closed = true;
                try {
                    List.copyOf(sequences).forEach(PagedSequence::close);
                } finally {
                    tier.close();
                    device.close();
                }
            }
        } finally {
            lock.unlock();
        }
    }

    KvCacheConfig config() {
        return config;
    }

    CacheGeometry geometry() {
        return config.geometry();
    }

    ReentrantLock lock() {
        return lock;
    }

    PyramidSchedule schedule() {
        return schedule;
    }

    TableLayout tableLayout() {
        return tableLayout;
    }

    /** Device memory of one sequence's tables. */
    MemorySegment tableMemory(int tableSlot) {
        return tables.asSlice(tableSlot * tableLayout.bytes(), tableLayout.bytes());
    }

    Device device() {
        return device;
    }

    RowExchange exchange() {
        return exchange;
    }

    AttentionKernels kernels() {
        return kernels;
    }

    AttentionWorkspace workspace() {
        return workspace;
    }

    SelectionWorkspace selection() {
        return selection;
    }

    BlockPool pool() {
        return pool;
    }

    ValueTier tier() {
        return tier;
    }

    /** For counts under the lock. */
    Footprint footprint() {
        return footprint;
    }

    HostCopies copies() {
        return copies;
    }

    Availability availability() {
        return availability;
    }
}
