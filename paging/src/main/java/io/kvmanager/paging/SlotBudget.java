package io.kvmanager.paging;

import io.kvmanager.BudgetPolicy;
import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheConfig;

/**
 * What a {@link BudgetPolicy} means in numbers of slots and blocks; no data, only arithmetic.
 *
 * <pre>
 * a layer behind a first prompt of n tokens   min(n, limit) slots
 * h2o, tova: between steps                    at most limit slots, in a step one more
 * snapkv, pyramidkv, quest                    every token that follows
 *
 * blocks of a layer = K blocks + V blocks + blocks of what the policy remembers:
 *   h2o     [slot][kvHead] F32                          attention received so far
 *   quest   [page][min, max][kvHead][headSize]          element type of K
 * </pre>
 */
final class SlotBudget {
    private static final int UNLIMITED = Integer.MAX_VALUE;

    private final BudgetPolicy policy;
    private final CacheGeometry geometry;
    private final int plannedPrompt;

    SlotBudget(KvCacheConfig config) {
        policy = (BudgetPolicy) config.retention();
        geometry = config.geometry();
        plannedPrompt = config.promptTokens() > 1 ? config.promptTokens() : config.maxSequenceTokens();
    }

    /** The prompt whose share a sequence gets that starts with {@code tokens} tokens: the planned one if with one. */
    int basis(int tokens) {
        return tokens > 1 ? tokens : plannedPrompt;
    }

    /** Most slots of a KV head that {@code layer} keeps of a first prompt of {@code basis} tokens. */
    int limit(int layer, int basis) {
        int budget = policy.budgetTokens(basis);
        return switch (policy) {
            case BudgetPolicy.Quest quest -> UNLIMITED;
            case BudgetPolicy.PyramidKv pyramid when budget < basis -> progression(pyramid, layer, budget, basis);
            default -> budget;
        };
    }

    /**
     * The window and the layer's part of an arithmetic progression: from most in the first layer, which is no more than
     * there is, to least in the last. Layers at the same distance from both ends have twice the mean together.
     */
    private int progression(BudgetPolicy.PyramidKv pyramid, int layer, int budget, int basis) {
        int window = Math.min(pyramid.windowTokens(), budget);
        int mean = budget - window;
        int most = Math.min(2 * mean - mean / pyramid.beta(), basis - window);
        int last = geometry.layers() - 1;
        int fromEnd = Math.min(layer, last - layer);
        int above = last == 0 ? 0 : (most - mean) - (int) (2L * (most - mean) * fromEnd / last);
        return window + (2 * layer <= last ? mean + above : mean - above);
    }

    /** Whether a layer that is full evicts a slot behind each token. */
    boolean evictsInGeneration() {
        return policy instanceof BudgetPolicy.H2o || policy instanceof BudgetPolicy.Tova;
    }

    /** Whether the attention of every query so far counts, not of the last ones. */
    boolean accumulates() {
        return policy instanceof BudgetPolicy.H2o;
    }

    /** Whether the KV heads of a layer keep the same tokens. */
    boolean headsAgree() {
        return policy instanceof BudgetPolicy.Tova;
    }

    /** Last queries of a first prompt of {@code rows} rows whose attention counts. */
    int voters(int rows) {
        return switch (policy) {
            case BudgetPolicy.H2o h2o -> rows;
            case BudgetPolicy.Tova tova -> 1;
            case BudgetPolicy.SnapKv snap -> Math.min(rows, snap.windowTokens());
            case BudgetPolicy.PyramidKv pyramid -> Math.min(rows, pyramid.windowTokens());
            case BudgetPolicy.Quest quest -> 0;
        };
    }

    /** Newest tokens among {@code slots} that stay whatever attention they have. */
    int recent(int slots) {
        return switch (policy) {
            case BudgetPolicy.H2o h2o -> (int) (slots * h2o.recentShare());
            case BudgetPolicy.SnapKv snap -> Math.min(slots, snap.windowTokens());
            case BudgetPolicy.PyramidKv pyramid -> Math.min(slots, pyramid.windowTokens());
            default -> 0;
        };
    }

    /** Width of the maximum filter over the scores. */
    int poolingWidth() {
        return switch (policy) {
            case BudgetPolicy.SnapKv snap -> snap.poolingWidth();
            case BudgetPolicy.PyramidKv pyramid -> pyramid.poolingWidth();
            default -> 1;
        };
    }

    /** Pages that a KV head of {@code layer} reads. */
    int pagesRead(int layer, int basis) {
        return policy instanceof BudgetPolicy.Quest quest && layer >= quest.fullLayers()
                ? geometry.blocksFor(policy.budgetTokens(basis))
                : UNLIMITED;
    }

    /** Whether a step reads some pages only. */
    boolean readsPages() {
        return policy instanceof BudgetPolicy.Quest;
    }

    /** Bytes that the policy remembers of a page; its bounds. */
    int pageBytes() {
        return readsPages() ? 2 * geometry.kvHeads() * geometry.rowBytes() : 0;
    }

    /** Blocks of what the policy remembers of {@code slots} slots. */
    int memoryBlocks(int slots) {
        long bytes = accumulates() ? 4L * geometry.kvHeads() * slots : (long) pageBytes() * geometry.blocksFor(slots);
        return Math.toIntExact(Math.ceilDiv(bytes, geometry.blockBytes()));
    }

    /** All blocks of a layer with {@code slots} slots. */
    int blocks(int slots) {
        return 2 * geometry.blocksFor(slots) + memoryBlocks(slots);
    }

    /** Slots that a layer with {@code kept} slots needs room for in a step of {@code tokens} tokens behind them. */
    int slotsInStep(int layer, int basis, int kept, int tokens) {
        long most = evictsInGeneration() ? 1L + limit(layer, basis) : UNLIMITED;
        return (int) Math.min(kept + tokens, most);
    }

    /** Slots behind a first prompt. */
    int slotsAfterPrompt(int layer, int tokens) {
        return Math.min(tokens, limit(layer, tokens));
    }

    /** Most blocks that a first prompt holds at once: a layer is full while those before it have evicted. */
    int promptBlocks(int tokens) {
        int before = 0;
        int peak = 0;
        for (int layer = 0; layer < geometry.layers(); layer++) {
            peak = Math.max(peak, before + blocks(tokens));
            before += blocks(slotsAfterPrompt(layer, tokens));
        }
        return peak;
    }

    /** Most blocks that a sequence holds at once: a prompt, and tokens up to {@code totalTokens}. */
    int peakBlocks(int promptTokens, int totalTokens) {
        boolean prompt = promptTokens > 1;
        int basis = basis(promptTokens);
        int atEnd = 0;
        for (int layer = 0; layer < geometry.layers(); layer++) {
            int kept = prompt ? slotsAfterPrompt(layer, promptTokens) : 0;
            int more = totalTokens - (prompt ? promptTokens : 0);
            atEnd += blocks(more == 0 ? kept : slotsInStep(layer, basis, kept, more));
        }
        return prompt ? Math.max(atEnd, promptBlocks(promptTokens)) : atEnd;
    }
}
