package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.spi.ShadowLayout;

/**
 * How many blocks hold what stands in for a layer's V: means, or shadows as codes and ranges. Logical block b has its
 * mean or range at place {@code b % summariesPerBlock} of summary entry {@code b / summariesPerBlock}; its codes
 * likewise. Sinks are always read and have none.
 *
 * @param summariesPerBlock means, or ranges of shadows, in a block; 0 for none
 * @param codesPerBlock shadows whose codes are in a block; 0 for none
 */
record StandInShape(int summariesPerBlock, int codesPerBlock) {
    static final StandInShape NONE = new StandInShape(0, 0);

    static StandInShape of(CacheGeometry geometry, PlacementPolicy placement) {
        if (!(placement instanceof PlacementPolicy.Offloaded offloaded)) {
            return NONE;
        }
        if (offloaded.compensation().shadows()) {
            ShadowLayout layout = ShadowLayout.of(geometry, offloaded.compensation());
            return new StandInShape(layout.rangesPerBlock(), layout.codesPerBlock());
        }
        return offloaded.compensation() == Compensation.MEAN ? new StandInShape(geometry.blockTokens(), 0) : NONE;
    }

    /** Whether there are any. */
    boolean any() {
        return summariesPerBlock > 0;
    }

    /** Summary entries of {@code settled} settled blocks, absent ones of sinks included. */
    int summaryEnd(int settled) {
        return summariesPerBlock == 0 ? 0 : Math.ceilDiv(settled, summariesPerBlock);
    }

    /** Code entries of {@code settled} settled blocks, absent ones of sinks included. */
    int codeEnd(int settled) {
        return codesPerBlock == 0 ? 0 : Math.ceilDiv(settled, codesPerBlock);
    }

    /** Blocks that {@code settled} settled blocks behind {@code sinkBlocks} sinks have. */
    int blocks(int settled, int sinkBlocks) {
        if (settled <= sinkBlocks) {
            return 0;
        }
        int summaries = summariesPerBlock == 0 ? 0 : summaryEnd(settled) - sinkBlocks / summariesPerBlock;
        int codes = codesPerBlock == 0 ? 0 : codeEnd(settled) - sinkBlocks / codesPerBlock;
        return summaries + codes;
    }
}
