package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The attention that slots receive, per KV head summed over its GQA group, and what follows from it: which slots stay,
 * which one goes. Decided on the host, with scratch that is allocated once per cache.
 *
 * <pre>
 * scores[kvHead][slot]    F32    where heads agree, all in scores[0]
 * chosen[kvHead][i]       slots that stay, ascending
 * </pre>
 */
final class SlotVotes {
    private final CacheGeometry geometry;
    private final Device device;
    private final AttentionWorkspace workspace;
    private final SlotBudget budget;
    private final float[][] scores;
    private final int[][] chosen;
    private final PivotalContext best;
    private final float[] weights;
    private final MemorySegment weightsView;
    private final float[] remembered;
    private final MemorySegment rememberedView;

    SlotVotes(CacheGeometry geometry, Device device, AttentionWorkspace workspace, SlotBudget budget) {
        this.geometry = geometry;
        this.device = device;
        this.workspace = workspace;
        this.budget = budget;
        int slots = workspace.maxTokens();
        scores = new float[geometry.kvHeads()][slots];
        chosen = new int[geometry.kvHeads()][slots];
        best = new PivotalContext(slots);
        weights = new float[slots];
        weightsView = MemorySegment.ofArray(weights);
        remembered = new float[budget.accumulates() ? geometry.kvHeads() * slots : 0];
        rememberedView = MemorySegment.ofArray(remembered);
    }

    /** Forgets the scores of the first {@code slots} slots. */
    void clear(int slots) {
        for (float[] head : scores) {
            Arrays.fill(head, 0, slots, 0);
        }
    }

    /** Adds the weights that the last query paid {@code slots} slots; waits for them. */
    void add(int slots) {
        for (int head = 0; head < geometry.queryHeads(); head++) {
            device.read(workspace.weights(), 4L * head * workspace.maxTokens(), weightsView, 4L * slots);
            float[] sums = scores[budget.headsAgree() ? 0 : head / geometry.groupSize()];
            for (int slot = 0; slot < slots; slot++) {
                sums[slot] += weights[slot];
            }
        }
    }

    /** Chooses {@code keep} of {@code slots} slots in every KV head: the newest ones, and the best of the others. */
    int[][] choose(int slots, int keep) {
        int recent = budget.recent(keep);
        int context = slots - recent;
        for (int kvHead = 0; kvHead < chosen.length; kvHead++) {
            if (kvHead > 0 && budget.headsAgree()) {
                System.arraycopy(chosen[0], 0, chosen[kvHead], 0, keep);
                continue;
            }
            int[] kept = chosen[kvHead];
            int end = best.choose(scores[kvHead], context, keep - recent, 0, budget.poolingWidth(), 0, kept, 0);
            for (int slot = context; slot < slots; slot++) {
                kept[end + slot - context] = slot;
            }
            for (int i = 0; i < keep; i++) {
                scores[kvHead][i] = scores[kvHead][kept[i]];
            }
        }
        return chosen;
    }

    /** Evicts one slot of every KV head of a layer that has one too many, by writing the newest over it. */
    void evict(BudgetLayer layer) {
        int last = layer.kept() - 1;
        int recentFrom = layer.position(0, last) + 1 - budget.recent(last);
        int victim = 0;
        for (int kvHead = 0; kvHead < scores.length; kvHead++) {
            if (kvHead == 0 || !budget.headsAgree()) {
                victim = lightest(layer, kvHead, recentFrom);
            }
            layer.move(kvHead, last, victim);
            scores[kvHead][victim] = scores[kvHead][last];
        }
        layer.forgetLast();
    }

    /** The slot with the least score among those of tokens before {@code recentFrom}; of equal ones the oldest. */
    private int lightest(BudgetLayer layer, int kvHead, int recentFrom) {
        int found = -1;
        for (int slot = 0; slot < layer.kept(); slot++) {
            int position = layer.position(kvHead, slot);
            if (position < recentFrom
                    && (found < 0
                            || scores[kvHead][slot] < scores[kvHead][found]
                            || (scores[kvHead][slot] == scores[kvHead][found]
                                    && position < layer.position(kvHead, found)))) {
                found = slot;
            }
        }
        return found;
    }

    /** Brings what a layer remembers of its first {@code slots} slots; the newest starts with nothing. */
    void load(BudgetLayer layer, int slots) {
        layer.remembered(0, rememberedView, 4L * geometry.kvHeads() * slots);
        for (int kvHead = 0; kvHead < scores.length; kvHead++) {
            for (int slot = 0; slot < slots; slot++) {
                scores[kvHead][slot] = remembered[slot * scores.length + kvHead];
            }
        }
    }

    /** Makes the layer remember the scores of all its slots. */
    void store(BudgetLayer layer) {
        for (int kvHead = 0; kvHead < scores.length; kvHead++) {
            for (int slot = 0; slot < layer.kept(); slot++) {
                remembered[slot * scores.length + kvHead] = scores[kvHead][slot];
            }
        }
        layer.remember(0, rememberedView, 4L * geometry.kvHeads() * layer.kept());
    }
}
