package io.kvmanager;

import java.util.List;

/**
 * What a configuration takes and holds, computed from the same arithmetic that {@link KvCache#open} uses.
 *
 * @param blocks blocks in the device slab
 * @param slabBytes bytes of the slab
 * @param tableBytes device bytes of block tables, tile tables and query statistics
 * @param workspaceBytes device bytes of scores and lists, shared by all sequences
 * @param hostBytes bytes of the host tier's store
 * @param sequenceBlocksPeak most blocks that one sequence of the planned lengths holds at once, prefill included
 * @param tileCacheBlocks blocks set aside for fetched tiles
 * @param sequences sequences of the planned lengths that fit at once
 * @param retainedTokensPerLayer slots that each layer holds behind the planned prompt
 * @param fullBytes what {@link CacheName#FULL} holds for one sequence of the planned lengths
 */
public record MemoryPlan(
        int blocks,
        long slabBytes,
        long tableBytes,
        long workspaceBytes,
        long hostBytes,
        int sequenceBlocksPeak,
        int tileCacheBlocks,
        int sequences,
        List<Integer> retainedTokensPerLayer,
        long fullBytes) {

    public MemoryPlan {
        retainedTokensPerLayer = List.copyOf(retainedTokensPerLayer);
    }

    /** All device bytes that opening takes. */
    public long deviceBytes() {
        return slabBytes + tableBytes + workspaceBytes;
    }

    /** Mean share of the prompt that the layers keep, 0..1. */
    public double retainedShare(int promptTokens) {
        return retainedTokensPerLayer.stream()
                        .mapToInt(Integer::intValue)
                        .average()
                        .orElse(0)
                / promptTokens;
    }
}
