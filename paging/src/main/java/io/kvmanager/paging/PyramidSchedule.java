package io.kvmanager.paging;

import static io.kvmanager.RetentionPolicy.GENERATION_WINDOW;

import io.kvmanager.BudgetPolicy;
import io.kvmanager.LayerSchedule;
import io.kvmanager.RetentionPolicy;

/**
 * What a retention policy means in numbers of tokens; no data, only arithmetic.
 *
 * <p>Prompt, row-dropping (PyramidInfer, arXiv 2405.12532), for n prompt tokens and t rows alive in layer l:
 *
 * <ol>
 *   <li>{@code recent = int(n * recentRatio)}, {@code least = min(minContext, n - 1 - recent)}
 *   <li>{@code context = t - (1 + recent)}, {@code k = int(context * ratio(l))}
 *   <li>if the interval hits, {@code ratio < 1}, {@code context > least} and {@code k > least}: {@code k + 1 + recent}
 *       rows go on to layer l+1; else all t. Layer l itself keeps all t.
 * </ol>
 *
 * Prompt, cache-only: layer l computes all n rows and keeps {@code max(int(share * n), sinks + recent)} of them.
 *
 * <p>Generation: when 16 tokens have left the recent window, layer l keeps {@code max(int(16 * 0.9 * g(l)), 1)} of
 * them, g a cosine from 1 in the first layer to 0.1 in the last; cache-only {@code max(int(16 * share), 1)}.
 *
 * <p>In chunks: prompt and generation alike, a window is a chunk, and the recent window is empty.
 */
final class PyramidSchedule {
    private final RetentionPolicy policy;
    private final int layers;
    private final int blockTokens;

    PyramidSchedule(RetentionPolicy policy, int layers, int blockTokens) {
        this.policy = policy;
        this.layers = layers;
        this.blockTokens = blockTokens;
    }

    /** Whether rows that a layer drops are not computed in deeper layers. */
    boolean dropsRows() {
        return policy instanceof RetentionPolicy.Pyramid;
    }

    /** Whether tokens that leave the recent window of {@code layer} are pruned in generation. */
    boolean prunesInGeneration(int layer) {
        return keptOfWindow(layer) < windowTokens();
    }

    /** Whether prompts are pruned window by window, as generation is. */
    boolean prunesInChunks() {
        return policy instanceof RetentionPolicy.PerChunk;
    }

    /** Tokens that are pruned together. */
    int windowTokens() {
        return policy instanceof RetentionPolicy.PerChunk perChunk ? perChunk.chunkTokens() : GENERATION_WINDOW;
    }

    /** Newest tokens of a window that stay whatever their score. */
    int keptTailOfWindow() {
        return policy instanceof RetentionPolicy.PerChunk perChunk ? perChunk.observationQueries() : 0;
    }

    /** Width of the maximum filter over a window's scores. */
    int windowPoolingWidth() {
        return policy instanceof RetentionPolicy.PerChunk perChunk ? perChunk.poolingWidth() : 1;
    }

    /** Leading tokens of the sequence's first window that stay whatever their score. */
    int keptHeadOfFirstWindow() {
        return policy instanceof RetentionPolicy.PerChunk perChunk ? perChunk.sinkTokens() : 0;
    }

    /** Queries that {@code layer} must remember to vote in generation; 0 where nobody votes. */
    int observationQueries(int layer) {
        if (!prunesInGeneration(layer)) {
            return 0;
        }
        return switch (policy) {
            case RetentionPolicy.Pyramid pyramid -> pyramid.observationQueries();
            case RetentionPolicy.PerLayer perLayer -> perLayer.observationQueries();
            case RetentionPolicy.PerChunk perChunk -> perChunk.observationQueries();
            case BudgetPolicy budget -> throw unscheduled(budget);
            case RetentionPolicy.All all -> 0;
            case RetentionPolicy.Local local -> 0;
        };
    }

    int sinkTokens() {
        return switch (policy) {
            case RetentionPolicy.All all -> 0;
            case RetentionPolicy.Local local -> local.sinkTokens();
            case RetentionPolicy.Pyramid pyramid -> pyramid.sinkTokens();
            case RetentionPolicy.PerLayer perLayer -> perLayer.sinkTokens();
            case RetentionPolicy.PerChunk perChunk -> perChunk.sinkTokens();
            case BudgetPolicy budget -> throw unscheduled(budget);
        };
    }

    /** Slots that {@code layer} keeps of {@code rows} rows it computed for a prompt. */
    int keptAfterPrompt(int layer, int rows) {
        return switch (policy) {
            case RetentionPolicy.All all -> rows;
            case RetentionPolicy.Pyramid pyramid -> rows;
            case RetentionPolicy.Local local -> Math.min(rows, local.sinkTokens() + local.recentTokens());
            case RetentionPolicy.PerLayer perLayer -> {
                double share = perLayer.shares().get(layer);
                int least = perLayer.sinkTokens() + perLayer.recentTokens();
                yield share >= 1 ? rows : Math.min(rows, Math.max((int) (rows * share), least));
            }
            case RetentionPolicy.PerChunk perChunk -> {
                int size = perChunk.chunkTokens();
                yield rows / size * keptOfWindow(layer) + rows % size;
            }
            case BudgetPolicy budget -> throw unscheduled(budget);
        };
    }

    /** Most slots that {@code layer} holds at once while it computes {@code rows} rows of a prompt. */
    int peakInPrompt(int layer, int rows) {
        if (!(policy instanceof RetentionPolicy.PerChunk perChunk) || rows < perChunk.chunkTokens()) {
            return rows;
        }
        int size = perChunk.chunkTokens();
        return Math.max((rows / size - 1) * keptOfWindow(layer) + size, keptAfterPrompt(layer, rows));
    }

    /** First slot that pruning may still move behind a prompt that left {@code slots} slots. */
    int frontierAfterPrompt(int slots, int recent) {
        return prunesInChunks() ? slots - recent : Math.max(Math.min(slots, sinkTokens()), slots - recent);
    }

    /** Rows that go on from {@code layer} to the next, of {@code rows} alive, for a prompt of {@code tokens} tokens. */
    int propagatedRows(int layer, int rows, int tokens) {
        if (!(policy instanceof RetentionPolicy.Pyramid pyramid)
                || layer < pyramid.firstPrunedLayer()
                || layer % pyramid.interval() != 0) {
            return rows;
        }
        double ratio = pyramid.schedule().ratio(layer, layers);
        int recent = (int) (tokens * pyramid.recentRatio());
        int least = Math.min(pyramid.minContextTokens(), tokens - 1 - recent);
        int context = rows - (1 + recent);
        int kept = (int) (context * ratio);
        return context > least && ratio < 1 && kept > least ? kept + 1 + recent : rows;
    }

    /** Tokens of the recent window behind a prompt of {@code tokens} tokens. */
    int recentAfterPrompt(int tokens) {
        return switch (policy) {
            case RetentionPolicy.Pyramid pyramid -> (int) (tokens * pyramid.recentRatio());
            case RetentionPolicy.PerChunk perChunk -> tokens % perChunk.chunkTokens();
            default -> recentInGeneration(tokens);
        };
    }

    /** Tokens of the recent window when layer 0 holds {@code firstLayerTokens} slots. */
    int recentInGeneration(int firstLayerTokens) {
        return switch (policy) {
            case RetentionPolicy.All all -> Integer.MAX_VALUE;
            case RetentionPolicy.Local local -> local.recentTokens();
            case RetentionPolicy.Pyramid pyramid -> (int) ((firstLayerTokens + 1) * pyramid.recentRatio());
            case RetentionPolicy.PerLayer perLayer -> perLayer.recentTokens();
            case RetentionPolicy.PerChunk perChunk -> 0;
            case BudgetPolicy budget -> throw unscheduled(budget);
        };
    }

    /** Tokens that {@code layer} keeps of a window that left the recent window. */
    int keptOfWindow(int layer) {
        return switch (policy) {
            case RetentionPolicy.All all -> GENERATION_WINDOW;
            case RetentionPolicy.Local local -> 0;
            case RetentionPolicy.Pyramid pyramid -> keptOfWindow(pyramid, layer);
            case RetentionPolicy.PerLayer perLayer -> {
                double share = perLayer.shares().get(layer);
                yield share >= 1 ? GENERATION_WINDOW : Math.max((int) (GENERATION_WINDOW * share), 1);
            }
            case RetentionPolicy.PerChunk perChunk -> perChunk.kept(layer, blockTokens);
            case BudgetPolicy budget -> throw unscheduled(budget);
        };
    }

    private static IllegalStateException unscheduled(BudgetPolicy policy) {
        return new IllegalStateException(policy + " is SlotBudget's");
    }

    private int keptOfWindow(RetentionPolicy.Pyramid pyramid, int layer) {
        if (pyramid.firstPrunedLayer() > 0 && layer <= pyramid.firstPrunedLayer()) {
            return GENERATION_WINDOW; // what is never pruned in the prompt is not pruned in generation
        }
        if (pyramid.schedule() instanceof LayerSchedule.Explicit explicit) {
            double alive = 1;
            for (int i = 0; i < layer; i++) {
                alive *= explicit.ratio(i, layers);
            }
            return alive >= 1 ? GENERATION_WINDOW : Math.max((int) (GENERATION_WINDOW * alive), 1);
        }
        double depth = layers == 1 ? 0 : (double) layer / (layers - 1);
        double share = 0.9 * (Math.cos(Math.PI * depth) + 1) / 2 + 0.1;
        return Math.max((int) (GENERATION_WINDOW * 0.9 * share), 1);
    }

    /** Slots per layer behind a prompt of {@code tokens} tokens. */
    int[] lengthsAfterPrompt(int tokens) {
        int[] lengths = new int[layers];
        int alive = tokens;
        for (int layer = 0; layer < layers; layer++) {
            lengths[layer] = keptAfterPrompt(layer, alive);
            alive = propagatedRows(layer, alive, tokens);
        }
        return lengths;
    }
}
