package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.FetchReport;
import io.kvmanager.KvCacheException.SequenceTooLong;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.RowExchange;
import java.lang.foreign.MemorySegment;

/**
 * A sequence whose KV heads keep a budget of tokens each.
 *
 * <p>A first prompt, layer by layer: 1. append all rows. 2. Causal attention. 3. The weights of the queries that vote,
 * summed per slot and KV head. 4. What was chosen moves to the front, the rest is freed.
 *
 * <p>A token, and every row of a later prompt: 1. append k, v. 2. Exact weights over all slots. 3. The tiles to read:
 * all, or the chosen pages'. 4. Weighted sum. 5. The weights are counted; a layer with one slot too many evicts.
 */
final class BudgetSequence implements KvSequence {
    private final BudgetBackend backend;
    private final CacheGeometry geometry;
    private final SlotBudget budget;
    private final AttentionKernels kernels;
    private final AttentionWorkspace workspace;
    private final SlotVotes votes;
    private final int tableSlot;
    private final Reservation reservation;
    private final BudgetLayer[] layers;
    private final StepProtocol step = new StepProtocol();
    private final PageBounds.Tally tally = new PageBounds.Tally();
    private int length;
    private int basis;
    private int intactFrom;
    private boolean evicted;

    BudgetSequence(BudgetBackend backend, int tableSlot) {
        this.backend = backend;
        this.geometry = backend.geometry();
        this.budget = backend.budget();
        this.kernels = backend.kernels();
        this.workspace = backend.workspace();
        this.votes = backend.votes();
        this.tableSlot = tableSlot;
        this.reservation = backend.newReservation();
        this.layers = new BudgetLayer[geometry.layers()];
        for (int layer = 0; layer < layers.length; layer++) {
            layers[layer] = new BudgetLayer(backend, backend.tableMemory(tableSlot, layer), reservation);
        }
    }

    @Override
    public int length() {
        step.requireOpen();
        return length;
    }

    @Override
    public int retained(int layer) {
        step.requireOpen();
        return layers[layer].kept();
    }

    @Override
    public int[] positions(int layer) {
        step.requireOpen();
        return layers[layer].positions();
    }

    /** Positions that one KV head of a layer holds, ascending. */
    int[] positions(int layer, int kvHead) {
        step.requireOpen();
        return layers[layer].positions(kvHead);
    }

    @Override
    public void beginPrompt(int tokens) {
        synchronized (backend) {
            blocksFor(tokens);
            begin(tokens, true);
        }
    }

    @Override
    public void beginToken() {
        synchronized (backend) {
            blocksFor(1);
            begin(1, false);
        }
    }

    /** Checks a step and counts the blocks that it can need; changes nothing. */
    int blocksFor(int tokens) {
        step.requireIdle();
        if (tokens < 1) {
            throw new IllegalArgumentException("a prompt of " + tokens + " tokens; accepted: 1 or more");
        }
        int limit = backend.config().maxSequenceTokens();
        if (tokens > limit - length) {
            throw new SequenceTooLong(length + tokens, limit);
        }
        if (isFirstPrompt(tokens)) {
            return budget.promptBlocks(tokens);
        }
        int blocks = 0;
        for (int layer = 0; layer < layers.length; layer++) {
            int slots = budget.slotsInStep(layer, basisBefore(tokens), layers[layer].kept(), tokens);
            blocks += layers[layer].blocksToHold(slots);
        }
        return blocks;
    }

    private boolean isFirstPrompt(int tokens) {
        return length == 0 && tokens > 1;
    }

    private int basisBefore(int tokens) {
        return length == 0 ? budget.basis(tokens) : basis;
    }

    /** Takes what {@link #blocksFor} says. */
    void begin(int tokens, boolean prompt) {
        reservation.begin(blocksFor(tokens), 0);
        basis = basisBefore(tokens);
        step.begin(tokens, prompt);
    }

    @Override
    public RowSelection attendPrompt(
            int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        synchronized (backend) {
            step.requireLayer(layer, true);
            StepProtocol.requireAlive(layer, rows, step.tokens());
            StepProtocol.requireRows(geometry, rows, q, k, v, out);
            RowExchange exchange = backend.exchange();
            MemorySegment queries = exchange.queries(q);
            MemorySegment keys = exchange.keys(k);
            MemorySegment values = exchange.values(v);
            MemorySegment output = exchange.output(out);
            if (isFirstPrompt(rows)) {
                firstPrompt(layer, rows, queries, keys, values, output);
            } else {
                for (int row = 0; row < rows; row++) {
                    token(
                            layer,
                            length + row,
                            row(queries, row, geometry.queryRowElements()),
                            row(keys, row, geometry.keyValueRowElements()),
                            row(values, row, geometry.keyValueRowElements()),
                            row(output, row, geometry.queryRowElements()));
                }
            }
            exchange.deliver(out);
            step.layerDone(layers.length);
            return RowSelection.all(rows);
        }
    }

    private static MemorySegment row(MemorySegment rows, int row, int elements) {
        return rows.asSlice(4L * row * elements, 4L * elements);
    }

    private void firstPrompt(
            int index, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        BudgetLayer layer = layers[index];
        layer.extend(0, rows);
        layer.append(k, v, rows);
        // The scores' memory is free during a prompt: [rows][queryHeads] fits [queryHeads][maxTokens].
        kernels.attendPrompt(q, rows, 0, layer.keys.memory(), layer.values.memory(), out, workspace.weights());
        int kept = budget.slotsAfterPrompt(index, rows);
        if (kept < rows || budget.accumulates()) {
            votes.clear(rows);
            for (int row = rows - budget.voters(rows); row < rows; row++) {
                kernels.scores(row(q, row, geometry.queryRowElements()), layer.keys.memory(), row + 1, workspace);
                votes.add(row + 1);
            }
        }
        if (kept < rows) {
            layer.keep(votes.choose(rows, kept), kept);
            evicted = true;
        }
        if (budget.accumulates()) {
            votes.store(layer);
        }
        PageBounds pages = backend.pages();
        if (pages != null) {
            pages.seal(layer, 0);
        }
    }

    @Override
    public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        synchronized (backend) {
            step.requireLayer(layer, false);
            StepProtocol.requireRows(geometry, 1, q, k, v, out);
            RowExchange exchange = backend.exchange();
            token(layer, length, exchange.queries(q), exchange.keys(k), exchange.values(v), exchange.output(out));
            exchange.deliver(out);
            step.layerDone(layers.length);
        }
    }

    private void token(int index, int position, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        BudgetLayer layer = layers[index];
        layer.extend(position, 1);
        layer.append(k, v, 1);
        kernels.scores(q, layer.keys.memory(), layer.slots, workspace);
        PageBounds pages = backend.pages();
        if (pages == null) {
            kernels.list(geometry, layer.values.memory(), layer.blocks, workspace.tiles());
            kernels.values(workspace.weights(), workspace.maxTokens(), workspace.tiles(), out, false);
        } else {
            pages.seal(layer, (layer.kept() - 1) / geometry.blockTokens());
            boolean misses = pages.select(layer, q, budget.pagesRead(index, basis), tally);
            kernels.values(workspace.weights(), workspace.maxTokens(), workspace.tiles(), out, false);
            if (misses) {
                pages.renormalise(out);
            }
        }
        if (budget.evictsInGeneration()) {
            countAndEvict(layer, budget.limit(index, basis));
        }
    }

    private void countAndEvict(BudgetLayer layer, int limit) {
        int slots = layer.kept();
        if (slots <= limit && !budget.accumulates()) {
            return;
        }
        votes.clear(slots);
        if (budget.accumulates()) {
            votes.load(layer, slots - 1);
        }
        votes.add(slots);
        if (slots > limit) {
            votes.evict(layer);
            evicted = true;
        }
        if (budget.accumulates()) {
            votes.store(layer);
        }
    }

    @Override
    public void commit() {
        synchronized (backend) {
            step.requireComplete(layers.length);
            length += step.tokens();
            if (evicted) {
                intactFrom = length;
                evicted = false;
            }
            reservation.end();
            step.end();
        }
    }

    @Override
    public KvSequence fork() {
        synchronized (backend) {
            step.requireIdle();
            BudgetSequence copy = backend.register();
            try {
                int blocks = 0;
                for (BudgetLayer layer : layers) {
                    blocks += budget.blocks(layer.kept());
                }
                copy.reservation.begin(blocks, 0);
            } catch (RuntimeException e) {
                copy.close();
                throw e;
            }
            for (int layer = 0; layer < layers.length; layer++) {
                copy.layers[layer].copyFrom(layers[layer]);
            }
            copy.reservation.end();
            copy.length = length;
            copy.basis = basis;
            copy.intactFrom = intactFrom;
            return copy;
        }
    }

    /**
     * Forgets the newest tokens, as far back as nothing was evicted since; or all of them. Attention that forgotten
     * queries paid stays counted.
     */
    @Override
    public void truncate(int newLength) {
        synchronized (backend) {
            step.requireIdle();
            if (newLength < 0 || newLength > length) {
                throw new IllegalArgumentException("truncate to " + newLength + " tokens; accepted: 0 to " + length);
            }
            if (newLength > 0 && newLength < intactFrom) {
                throw new UnsupportedOperationException("truncate to " + newLength + " tokens: "
                        + backend.config().cache() + " evicted tokens up to length " + intactFrom
                        + " and cannot bring them back; accepted: 0, or " + intactFrom + " to " + length);
            }
            for (BudgetLayer layer : layers) {
                layer.shrink(newLength == 0 ? 0 : layer.slotsBelow(newLength));
            }
            length = newLength;
            intactFrom = Math.min(intactFrom, length);
        }
    }

    @Override
    public long deviceBytes() {
        step.requireOpen();
        long blocks = 0;
        for (BudgetLayer layer : layers) {
            blocks += layer.heldBlocks();
        }
        return blocks * geometry.blockBytes();
    }

    @Override
    public FetchReport fetchReport() {
        step.requireOpen();
        return tally.report(geometry.queryHeads());
    }

    boolean of(BudgetBackend owner) {
        return backend == owner;
    }

    @Override
    public void close() {
        synchronized (backend) {
            step.close();
            reservation.end();
            for (BudgetLayer layer : layers) {
                layer.shrink(0);
            }
            backend.unregister(this, tableSlot);
        }
    }

    /** Adds this sequence's references to the recount. */
    void count(int[] references) {
        for (BudgetLayer layer : layers) {
            layer.count(references);
        }
    }
}
