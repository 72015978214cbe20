package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.Ledger;
import io.kvmanager.MemoryPlan;
import io.kvmanager.TierBytes;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.ProviderSelection;
import java.util.List;
import java.util.stream.IntStream;

/** Sizes of a cache under a {@link io.kvmanager.BudgetPolicy}, as {@link PagedPlan} has them for the others. */
final class BudgetPlan {
    /** Entries of a layer's tables beside the blocks: slots, blocks. */
    static final int COUNTS = 2;

    private final KvCacheConfig config;
    private final CacheGeometry geometry;
    private final SlotBudget budget;
    private final int sequenceBlocks;
    private final int blocks;
    private final long tableBytes;
    private final long workspaceBytes;

    BudgetPlan(KvCacheConfig config) {
        this.config = config;
        geometry = config.geometry();
        budget = new SlotBudget(config);
        sequenceBlocks = budget.peakBlocks(config.promptTokens(), config.maxSequenceTokens());
        tableBytes = config.maxSequences() * sequenceTableBytes();
        workspaceBytes = AttentionWorkspace.bytes(geometry, config.maxSequenceTokens())
                + ProviderSelection.scratchBytes(config.device(), geometry, config.maxSequenceTokens())
                + pageScratchBytes();
        blocks = config.deviceBytes() == KvCacheConfig.DERIVED
                ? Math.multiplyExact(config.maxSequences(), sequenceBlocks)
                : (int) Math.max(
                        0,
                        Math.min(
                                Integer.MAX_VALUE / 64,
                                (config.deviceBytes() - tableBytes - workspaceBytes) / geometry.blockBytes()));
    }

    /** Device bytes of one layer's tables: counts, K blocks, V blocks. */
    long layerTableBytes() {
        return 4L * (COUNTS + 2L * geometry.blocksFor(config.maxSequenceTokens()));
    }

    /** Device bytes of one sequence's tables. */
    long sequenceTableBytes() {
        return geometry.layers() * layerTableBytes();
    }

    /** Device bytes that a page's keys take in F32 while their bounds are taken. */
    long pageScratchBytes() {
        return budget.readsPages() ? 4L * geometry.blockTokens() * geometry.keyValueRowElements() : 0;
    }

    int blockCount() {
        return blocks;
    }

    /** Throws if the budget does not hold one sequence of the planned lengths. */
    void requireOneSequence() {
        if (blocks < sequenceBlocks) {
            long needed = (long) sequenceBlocks * geometry.blockBytes() + tableBytes + workspaceBytes;
            throw new OutOfMemory(
                    new TierBytes(needed, 0), new TierBytes(config.deviceBytes(), 0), new Ledger(List.of(), 0, 0));
        }
    }

    MemoryPlan memoryPlan() {
        return new MemoryPlan(
                blocks,
                (long) blocks * geometry.blockBytes(),
                tableBytes,
                workspaceBytes,
                0,
                sequenceBlocks,
                0,
                blocks / Math.max(1, sequenceBlocks),
                IntStream.range(0, geometry.layers())
                        .mapToObj(layer -> budget.slotsAfterPrompt(layer, config.promptTokens()))
                        .toList(),
                config.fullBytes(config.maxSequenceTokens()));
    }
}
