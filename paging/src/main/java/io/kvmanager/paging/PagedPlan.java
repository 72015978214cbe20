package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.Ledger;
import io.kvmanager.MemoryPlan;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.TierBytes;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.ProviderSelection;
import java.util.Arrays;
import java.util.List;

/**
 * Sizes of a paged cache: what does not depend on the number of blocks first, then as many blocks as the budget holds
 * or, without a budget, as the sequences need.
 */
final class PagedPlan {
    private final KvCacheConfig config;
    private final CacheGeometry geometry;
    private final int tileCacheBlocks;
    private final int homes;
    private final long tableBytes;
    private final long workspaceBytes;
    private final int blocks;
    private final int sequenceBlocks;
    private final int sequenceHomes;

    PagedPlan(KvCacheConfig config) {
        this.config = config;
        geometry = config.geometry();
        PyramidSchedule schedule = new PyramidSchedule(config.retention(), geometry.layers(), geometry.blockTokens());
        Footprint footprint = new Footprint(config).run(config.promptTokens(), config.maxSequenceTokens());
        sequenceBlocks = footprint.peakBlocks();
        sequenceHomes = footprint.peakHomes();
        workspaceBytes = AttentionWorkspace.bytes(geometry, config.maxSequenceTokens())
                + ProviderSelection.scratchBytes(config.device(), geometry, config.maxSequenceTokens())
                + SelectionWorkspace.bytes(geometry, schedule, config.maxSequenceTokens())
                + PrefixSharing.zeroRowBytes(config);
        long sequenceTables = config.maxSequences() * new TableLayout(config).bytes();
        homes = homes();
        if (config.placement() instanceof PlacementPolicy.Offloaded offloaded) {
            tileCacheBlocks = offloaded.tileCacheBlocks(geometry);
            tableBytes = sequenceTables + ProviderSelection.valueTier().deviceTableBytes(geometry, offloaded, homes);
        } else {
            tileCacheBlocks = 0;
            tableBytes = sequenceTables;
        }
        blocks = blocks();
    }

    private int homes() {
        if (config.hostBytes() == KvCacheConfig.DERIVED) {
            return Math.multiplyExact(config.maxSequences(), sequenceHomes);
        }
        return limited(config.hostBytes() / geometry.blockBytes());
    }

    private int blocks() {
        if (config.deviceBytes() == KvCacheConfig.DERIVED) {
            return Math.addExact(Math.multiplyExact(config.maxSequences(), sequenceBlocks), tileCacheBlocks);
        }
        return limited((config.deviceBytes() - tableBytes - workspaceBytes) / geometry.blockBytes());
    }

    private static int limited(long blocks) {
        return (int) Math.max(0, Math.min(Integer.MAX_VALUE / 64, blocks));
    }

    /** Throws if the budgets do not hold one sequence of the planned lengths. */
    void requireOneSequence() {
        if (blocks - tileCacheBlocks < sequenceBlocks) {
            long needed =
                    (long) (sequenceBlocks + tileCacheBlocks) * geometry.blockBytes() + tableBytes + workspaceBytes;
            throw shortage(new TierBytes(needed, 0));
        }
        if (homes < sequenceHomes) {
            long needed = (long) sequenceHomes * geometry.blockBytes();
            throw shortage(new TierBytes(0, needed));
        }
    }

    private OutOfMemory shortage(TierBytes needed) {
        TierBytes budgets = new TierBytes(config.deviceBytes(), config.hostBytes());
        return new OutOfMemory(needed, budgets, new Ledger(List.of(), 0, 0));
    }

    int blockCount() {
        return blocks;
    }

    int tileCacheBlocks() {
        return tileCacheBlocks;
    }

    int homeCount() {
        return homes;
    }

    MemoryPlan memoryPlan() {
        int free = Math.max(0, blocks - tileCacheBlocks);
        int sequences = free / Math.max(1, sequenceBlocks);
        if (sequenceHomes > 0) {
            sequences = Math.min(sequences, homes / sequenceHomes);
        }
        int[] lengths = new PyramidSchedule(config.retention(), geometry.layers(), geometry.blockTokens())
                .lengthsAfterPrompt(config.promptTokens());
        return new MemoryPlan(
                blocks,
                (long) blocks * geometry.blockBytes(),
                tableBytes,
                workspaceBytes,
                (long) homes * geometry.blockBytes(),
                sequenceBlocks,
                tileCacheBlocks,
                sequences,
                Arrays.stream(lengths).boxed().toList(),
                config.fullBytes(config.maxSequenceTokens()));
    }
}
