package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.RowSelection;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.ValueTier;
import java.lang.foreign.MemorySegment;

/**
 * What happens in one layer, step by step.
 *
 * <p>A token: 1. append k, v. 2. Exact softmax weights over all K, and each block's mass. 3. The value tier
 * chooses the tiles to read, fetches those that are not in device memory, and computes the weighted sum of these tiles,
 * plus what stands in for the rest. 4. Remember the query where it may vote on pruning.
 *
 * <p>A first prompt: 1. append all rows. 2. Causal attention. 3. Score the context by the attention that the newest
 * queries pay it; choose the pivotal context. 4. Either this layer keeps only that (cache-only), or only that goes on
 * to the next layer (row-dropping).
 */
final class LayerAttention {
    private final CacheGeometry geometry;
    private final PyramidSchedule schedule;
    private final RetentionPolicy retention;
    private final AttentionKernels kernels;
    private final ValueTier tier;
    private final AttentionWorkspace workspace;
    private final SelectionWorkspace selection;

    LayerAttention(PagedBackend backend) {
        this.geometry = backend.geometry();
        this.schedule = backend.schedule();
        this.retention = backend.config().retention();
        this.kernels = backend.kernels();
        this.tier = backend.tier();
        this.workspace = backend.workspace();
        this.selection = backend.selection();
    }

    /** One token that the layer has room for. Launches only: what changes from step to step is in device memory. */
    void token(LayerBlocks layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        layer.append(k, v, 1);
        kernels.scores(q, layer.keys.memory(), layer.slots, workspace);
        tier.attend(workspace, layer.valueTables, out, layer.tally);
        layer.remember(q, workspace.logSumExp());
    }

    /**
     * The rows of a prompt that are alive in a layer.
     *
     * @param first whether this is the sequence's first prompt
     * @param rows rows alive in this layer
     * @param tokens tokens of the whole prompt
     * @param positions position of each row
     * @return which of the rows go on to the next layer
     */
    RowSelection promptRows(
            LayerBlocks layer,
            boolean first,
            int rows,
            int tokens,
            MemorySegment q,
            MemorySegment k,
            MemorySegment v,
            int[] positions,
            MemorySegment out) {
        RowSelection survivors = RowSelection.all(rows);
        if (runsInPieces(layer)) {
            pieces(layer, rows, q, k, v, positions, out);
            layer.settle();
        } else if (first) {
            layer.extend(rows, positions, 0);
            layer.append(k, v, rows);
            survivors = prompt(layer, q, rows, tokens, positions, out);
            layer.settle();
        } else {
            rows(layer, rows, q, k, v, positions, out);
        }
        return survivors;
    }

    /** Several tokens behind what the layer holds, one after the other. */
    private void rows(
            LayerBlocks layer,
            int rows,
            MemorySegment q,
            MemorySegment k,
            MemorySegment v,
            int[] positions,
            MemorySegment out) {
        long queryBytes = 4L * geometry.queryRowElements();
        long keyBytes = 4L * geometry.keyValueRowElements();
        for (int row = 0; row < rows; row++) {
            layer.extend(positions[row]);
            token(
                    layer,
                    q.asSlice(row * queryBytes, queryBytes),
                    k.asSlice(row * keyBytes, keyBytes),
                    v.asSlice(row * keyBytes, keyBytes),
                    out.asSlice(row * queryBytes, queryBytes));
            layer.tally.attention();
            if (schedule.prunesInChunks() && layer.shape.tokensUntilPruning() == 0) {
                pruneWindow(layer);
            }
        }
    }

    /**
     * A first prompt, whose rows have been appended.
     *
     * @param rows rows alive in this layer
     * @param tokens tokens of the whole prompt
     * @param positions position of each row
     */
    private RowSelection prompt(
            LayerBlocks layer, MemorySegment q, int rows, int tokens, int[] positions, MemorySegment out) {
        // The scores' memory is free during a prompt: [rows][queryHeads] fits [queryHeads][maxTokens].
        MemorySegment statistics = workspace.weights();
        kernels.attendPrompt(q, rows, 0, layer.keys.memory(), layer.values.memory(), out, statistics);
        int recent = schedule.recentAfterPrompt(tokens);
        RowSelection survivors = RowSelection.all(rows);
        int kept = schedule.keptAfterPrompt(layer.shape.layer, rows);
        int propagated = schedule.propagatedRows(layer.shape.layer, rows, tokens);
        if (propagated < rows) {
            choose(layer, q, statistics, rows, propagated, 1 + recent);
            survivors = new RowSelection(selection.chosen(propagated), rows);
        } else if (kept < rows) {
            choose(layer, q, statistics, rows, kept, Math.min(recent, kept));
        }
        rememberLast(layer, q, statistics, rows, positions, 0);
        layer.keepOfPrompt(selection, kept, recent);
        return survivors;
    }

    /** Chooses {@code keep} of {@code rows} rows: the newest {@code recent}, and the best of the rest. */
    private void choose(LayerBlocks layer, MemorySegment q, MemorySegment statistics, int rows, int keep, int recent) {
        int context = rows - recent;
        int sinks = schedule.sinkTokens();
        int poolingWidth = 1;
        float[] scores;
        if (retention instanceof RetentionPolicy.Local) {
            scores = selection.equalScores(context);
        } else {
            int voters = recent;
            double distanceWeight = 1;
            if (retention instanceof RetentionPolicy.Pyramid pyramid) {
                distanceWeight = pyramid.distanceWeight();
            } else if (retention instanceof RetentionPolicy.PerLayer perLayer) {
                voters = Math.min(perLayer.observationQueries(), recent);
                poolingWidth = perLayer.poolingWidth();
            }
            scores = score(layer, q, statistics, rows, voters, context, distanceWeight);
        }
        int end = selection
                .pivotalContext()
                .choose(scores, context, keep - recent, sinks, poolingWidth, 0, selection.kept(), 0);
        selection.appendRange(end, context, rows);
    }

    private float[] score(
            LayerBlocks layer,
            MemorySegment q,
            MemorySegment statistics,
            int rows,
            int voters,
            int context,
            double distanceWeight) {
        for (int row = 0; row < voters; row++) {
            selection.weights()[row] = QueryWindow.rowWeight(row, voters, distanceWeight);
        }
        long first = (long) rows - voters;
        kernels.columnScores(
                q.asSlice(first * 4L * geometry.queryRowElements()),
                statistics.asSlice(first * 4L * geometry.queryHeads()),
                selection.writeWeights(voters),
                voters,
                layer.keys.memory(),
                0,
                context,
                selection.scores());
        return selection.readScores(context);
    }

    private void rememberLast(
            LayerBlocks layer, MemorySegment q, MemorySegment statistics, int rows, int[] positions, int from) {
        QueryWindow window = layer.queries;
        if (window == null) {
            return;
        }
        for (int row = Math.max(0, rows - window.capacity()); row < rows; row++) {
            layer.extendQueries(positions[from + row]);
            layer.remember(
                    q.asSlice(row * 4L * geometry.queryRowElements(), 4L * geometry.queryRowElements()),
                    statistics.asSlice(row * 4L * geometry.queryHeads(), 4L * geometry.queryHeads()));
        }
    }

    /** Whether a prompt is run by {@link #pieces}: nothing is absent, and no selection looks at the whole prompt. */
    private boolean runsInPieces(LayerBlocks layer) {
        boolean whole = schedule.prunesInChunks() || (retention instanceof RetentionPolicy.All && layer.kept() > 0);
        return whole && isComplete(layer);
    }

    /** Whether all V of a layer is in device memory. */
    static boolean isComplete(LayerBlocks layer) {
        return layer.shape.residentFrom() == layer.shape.sinkBlocks();
    }

    /**
     * Rows behind what the layer holds, all of whose V is in device memory: attended at once, or chunk by chunk where
     * each complete chunk is pruned before the next.
     */
    private void pieces(
            LayerBlocks layer,
            int rows,
            MemorySegment q,
            MemorySegment k,
            MemorySegment v,
            int[] positions,
            MemorySegment out) {
        MemorySegment statistics = workspace.weights();
        long queryBytes = 4L * geometry.queryRowElements();
        long keyBytes = 4L * geometry.keyValueRowElements();
        int at = 0;
        while (at < rows) {
            int count = Math.min(rows - at, layer.shape.tokensUntilPruning());
            int first = layer.kept();
            MemorySegment queries = q.asSlice(at * queryBytes, count * queryBytes);
            layer.extend(count, positions, at);
            layer.append(k.asSlice(at * keyBytes, count * keyBytes), v.asSlice(at * keyBytes, count * keyBytes), count);
            kernels.attendPrompt(
                    queries,
                    count,
                    first,
                    layer.keys.memory(),
                    layer.values.memory(),
                    out.asSlice(at * queryBytes, count * queryBytes),
                    statistics);
            rememberLast(layer, queries, statistics, count, positions, at);
            at += count;
            if (layer.shape.tokensUntilPruning() == 0) {
                pruneWindow(layer);
            }
        }
    }

    /** Behind a step: prunes what has become due, then settles. */
    void settle(LayerBlocks layer, int recent) {
        while (layer.shape.pruneDue(recent)) {
            pruneWindow(layer);
        }
        layer.settle();
    }

    /** Prunes the window at the layer's frontier by the attention that the remembered queries pay it. */
    void pruneWindow(LayerBlocks layer) {
        int frontier = layer.shape.frontier();
        int keepers = schedule.keptOfWindow(layer.shape.layer);
        int window = schedule.windowTokens();
        int tail = schedule.keptTailOfWindow();
        int scored = window - tail;
        QueryWindow voters = layer.queries;
        float[] scores;
        if (voters != null) {
            double distanceWeight = retention instanceof RetentionPolicy.Pyramid pyramid ? pyramid.distanceWeight() : 1;
            voters.weights(layer.positions[frontier + scored - 1], distanceWeight, selection.weights());
            voters.read(selection.queries());
            kernels.columnScores(
                    selection.queries(),
                    voters.logSumExp(),
                    selection.writeWeights(voters.capacity()),
                    voters.capacity(),
                    layer.keys.memory(),
                    frontier,
                    scored,
                    selection.scores());
            scores = selection.readScores(scored);
        } else {
            scores = selection.equalScores(scored);
        }
        int sinks = frontier == 0 ? schedule.keptHeadOfFirstWindow() : 0;
        int end = selection
                .pivotalContext()
                .choose(
                        scores,
                        scored,
                        keepers - tail,
                        sinks,
                        schedule.windowPoolingWidth(),
                        frontier,
                        selection.kept(),
                        0);
        selection.appendRange(end, frontier + scored, frontier + window);
        layer.pruneWindow(selection, keepers, window);
    }
}
