package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.ValueTier;

/**
 * The blocks that hold what stands in for one layer's settled V where it is not read: means, or shadows. Where they lie
 * is {@link StandInShape}'s business.
 */
final class StandIns {
    final IntTable summaries;
    final IntTable codes;
    private final StandInShape shape;
    private final int sinkBlocks;
    private final ValueTier tier;
    private final BlockEntries entries;

    StandIns(LayerShape layer, IntTable summaries, IntTable codes, ValueTier tier, BlockEntries entries) {
        this.shape = layer.standIns();
        this.sinkBlocks = layer.sinkBlocks();
        this.summaries = summaries;
        this.codes = codes;
        this.tier = tier;
        this.entries = entries;
        summaries.fill(0, summaries.size(), ABSENT);
        codes.fill(0, codes.size(), ABSENT);
    }

    Account account() {
        return shape.codesPerBlock() > 0 ? Account.SHADOW : Account.SUMMARY;
    }

    /** Makes what stands in for a settled block, and has it measured. */
    void seal(int block, int valueBlock, int home) {
        if (shape.summariesPerBlock() > 0) {
            ready(summaries, block / shape.summariesPerBlock());
        }
        if (shape.codesPerBlock() > 0) {
            ready(codes, block / shape.codesPerBlock());
        }
        tier.seal(
                valueBlock,
                home,
                entry(summaries, block, shape.summariesPerBlock()),
                place(block, shape.summariesPerBlock()),
                entry(codes, block, shape.codesPerBlock()),
                place(block, shape.codesPerBlock()));
    }

    private void ready(IntTable table, int entry) {
        if (table.get(entry) == ABSENT) {
            table.set(entry, entries.zeroed(account()));
        } else {
            entries.makeWritable(table, entry, account());
        }
    }

    private static int entry(IntTable table, int block, int perBlock) {
        return perBlock == 0 ? ABSENT : table.get(block / perBlock);
    }

    private static int place(int block, int perBlock) {
        return perBlock == 0 ? 0 : block % perBlock;
    }

    /** Copies that sealing the next block behind {@code settled} settled ones may take. */
    int shared(int settled) {
        if (!shape.any() || settled < sinkBlocks) {
            return 0;
        }
        int shared = entries.shared(summaries, settled / shape.summariesPerBlock());
        return shape.codesPerBlock() == 0 ? shared : shared + entries.shared(codes, settled / shape.codesPerBlock());
    }

    /** Gives back what only blocks from {@code settled} on had. */
    void truncate(int settledBefore, int settled) {
        int kept = settled > sinkBlocks ? settled : 0;
        for (int entry = shape.summaryEnd(kept); entry < shape.summaryEnd(settledBefore); entry++) {
            entries.release(summaries, entry);
        }
        for (int entry = shape.codeEnd(kept); entry < shape.codeEnd(settledBefore); entry++) {
            entries.release(codes, entry);
        }
    }

    /** Entries of {@link #summaries} that may be present behind {@code settled} settled blocks: from 0 to here. */
    int summaryEnd(int settled) {
        return settled > sinkBlocks ? shape.summaryEnd(settled) : 0;
    }

    /** The same of {@link #codes}. */
    int codeEnd(int settled) {
        return settled > sinkBlocks ? shape.codeEnd(settled) : 0;
    }
}
