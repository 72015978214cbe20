package io.kvmanager.paging;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.TooManySequences;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.Ledger.Account;
import io.kvmanager.MemoryUse;
import io.kvmanager.StepBatch;
import io.kvmanager.Tier;
import io.kvmanager.TierBytes;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.KvCacheBackend;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.RowExchange;
import io.kvmanager.spi.ValueTier;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The caches under a {@link io.kvmanager.BudgetPolicy}: published policies, on the same pool and kernels as ours. They
 * are here to be compared with: their memory and their output are exact, their speed is not theirs, because choices are
 * made on the host, and every layer of a step waits for them.
 *
 * <p>What they cannot do: share blocks (a fork is a copy), forget tokens from before an eviction, suspend, cache
 * prefixes, capture steps.
 */
final class BudgetBackend implements KvCacheBackend {
    private final KvCacheConfig config;
    private final SlotBudget budget;
    private final BudgetPlan plan;
    private final Device device;
    private final RowExchange exchange;
    private final MemorySegment slab;
    private final MemorySegment tables;
    private final AttentionKernels kernels;
    private final AttentionWorkspace workspace;
    private final SlotVotes votes;
    private final @Nullable PageBounds pages;
    private final BlockPool pool;
    private final ValueTier tier;
    private final Availability availability;
    private final Deque<Integer> freeTables = new ArrayDeque<>();
    private final Set<BudgetSequence> sequences = new LinkedHashSet<>();
    private boolean closed;

    BudgetBackend(KvCacheConfig config, BudgetPlan plan, Device device) {
        this.config = config;
        this.plan = plan;
        this.device = device;
        CacheGeometry geometry = config.geometry();
        budget = new SlotBudget(config);
        exchange = device.exchange();
        slab = device.allocate(Tier.DEVICE, (long) plan.blockCount() * geometry.blockBytes());
        tables = device.allocate(Tier.DEVICE, config.maxSequences() * plan.sequenceTableBytes());
        kernels = device.kernels(geometry, slab);
        workspace = new AttentionWorkspace(device, geometry, config.maxSequenceTokens());
        votes = new SlotVotes(geometry, device, workspace, budget);
        pages = budget.readsPages() ? new PageBounds(geometry, device, kernels, workspace, budget) : null;
        pool = new BlockPool(plan.blockCount());
        tier = new ResidentValues(
                geometry, kernels, ProviderSelection.valueTier().openStore(device, geometry, kernels, 0));
        availability = new Availability(pool, tier, geometry, this::ledger, null);
        for (int slot = 0; slot < config.maxSequences(); slot++) {
            freeTables.add(slot);
        }
    }

    @Override
    public synchronized KvSequence openSequence() {
        return register();
    }

    /** Opens a sequence on a free set of tables. */
    BudgetSequence register() {
        requireOpen();
        Integer slot = freeTables.poll();
        if (slot == null) {
            throw new TooManySequences(config.maxSequences());
        }
        BudgetSequence sequence = new BudgetSequence(this, slot);
        sequences.add(sequence);
        return sequence;
    }

    void unregister(BudgetSequence sequence, int tableSlot) {
        sequences.remove(sequence);
        freeTables.add(tableSlot);
    }

    @Override
    public synchronized Admission admit(int promptTokens, int newTokens) {
        requireOpen();
        long tokens = AdmissionControl.requireLengths(promptTokens, newTokens);
        if (tokens > config.maxSequenceTokens()) {
            return AdmissionControl.tooLong(tokens, config);
        }
        int peak = budget.peakBlocks(promptTokens, (int) tokens);
        if (peak > pool.capacity()) {
            TierBytes needed = availability.bytes(peak, 0);
            return new Admission.Never(promptTokens + " prompt and " + newTokens + " new tokens take "
                    + needed.device() + " bytes of device memory, an empty cache has " + slab.byteSize()
                    + "; raise deviceBytes");
        }
        boolean empty = pool.usedBlocks() == 0;
        int watermark = empty ? 0 : (int) Math.ceil(config.watermark() * pool.capacity());
        long prompt = (long) budget.peakBlocks(promptTokens, promptTokens) + watermark;
        TierBytes deficit = availability.now().deficit(availability.bytes(prompt, 0));
        return deficit.equals(TierBytes.NONE) && !freeTables.isEmpty()
                ? new Admission.Admit()
                : new Admission.Wait(deficit, freeTables.isEmpty() ? 1 : 0);
    }

    @Override
    public Admission admit(KvSequence suspended) {
        throw new IllegalStateException("this cache does not suspend sequences");
    }

    @Override
    public synchronized void begin(StepBatch batch) {
        requireOpen();
        Set<KvSequence> seen = new HashSet<>();
        long blocks = 0;
        for (int i = 0; i < batch.size(); i++) {
            blocks += owned(batch.sequence(i)).blocksFor(batch.tokens(i));
            if (!seen.add(batch.sequence(i))) {
                throw new IllegalArgumentException("step " + i + " is of a sequence that has a step in the batch");
            }
        }
        availability.require(blocks, 0);
        for (int i = 0; i < batch.size(); i++) {
            owned(batch.sequence(i)).begin(batch.tokens(i), batch.isPrompt(i));
        }
    }

    private BudgetSequence owned(KvSequence sequence) {
        if (sequence instanceof BudgetSequence own && own.of(this)) {
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
    public synchronized void synchronize() {
        device.synchronize();
    }

    @Override
    public synchronized Ledger ledger() {
        long blockBytes = geometry().blockBytes();
        List<Ledger.Entry> entries = new ArrayList<>();
        for (Account account : Account.values()) {
            entries.add(new Ledger.Entry(Tier.DEVICE, account, pool.blocksIn(account) * blockBytes));
        }
        return new Ledger(entries, pool.capacity() * blockBytes, 0);
    }

    @Override
    public synchronized MemoryUse memory() {
        long blockBytes = geometry().blockBytes();
        long beside = device.allocatedBytes(Tier.DEVICE) - slab.byteSize();
        return new MemoryUse(
                beside + pool.usedBlocks() * blockBytes,
                beside + pool.peakUsedBlocks() * blockBytes,
                device.allocatedBytes(Tier.DEVICE),
                0,
                0,
                device.allocatedBytes(Tier.HOST));
    }

    @Override
    public synchronized List<String> audit() {
        int[] references = new int[pool.capacity()];
        for (BudgetSequence sequence : sequences) {
            sequence.count(references);
        }
        List<String> found = new ArrayList<>(pool.audit(references));
        found.addAll(ledger().imbalances());
        return found;
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            List.copyOf(sequences).forEach(BudgetSequence::close);
            closed = true;
            tier.close();
            device.close();
        }
    }

    KvCacheConfig config() {
        return config;
    }

    CacheGeometry geometry() {
        return config.geometry();
    }

    SlotBudget budget() {
        return budget;
    }

    /** Device memory of one layer's tables. */
    MemorySegment tableMemory(int tableSlot, int layer) {
        return tables.asSlice(
                tableSlot * plan.sequenceTableBytes() + layer * plan.layerTableBytes(), plan.layerTableBytes());
    }

    Device device() {
        return device;
    }

    RowExchange exchange() {
        return exchange;
    }

    MemorySegment slab() {
        return slab;
    }

    AttentionKernels kernels() {
        return kernels;
    }

    AttentionWorkspace workspace() {
        return workspace;
    }

    SlotVotes votes() {
        return votes;
    }

    /** The choice of pages, or null where every slot is read. */
    @Nullable
    PageBounds pages() {
        return pages;
    }

    Reservation newReservation() {
        return new Reservation(pool, tier, availability, kernels);
    }
}
