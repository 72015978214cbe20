package io.kvmanager.paging;

import io.kvmanager.Admission;
import io.kvmanager.CapturedStep;
import io.kvmanager.FetchReport;
import io.kvmanager.HeadFetch;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.RowExchange;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * A sequence on blocks. Every step and every change takes the backend's lock, so sequences of one cache may run on
 * different threads, one after the other within a step's layer.
 *
 * <pre>
 * begin   reserve blocks and homes for the whole step, all layers, or throw
 * layer   append, attend, and for a first prompt: prune and settle this layer at once
 * commit  prune windows that left the recent window, settle, drop, give back what was not used
 * </pre>
 */
final class PagedSequence implements KvSequence {
    private final PagedBackend backend;
    private final int tableSlot;
    private final Reservation reservation;
    private final LayerBlocks[] layers;
    private final LayerAttention attention;
    private final StepNeed need;
    private final QuietTokens quiet;
    private final StepProtocol step = new StepProtocol();
    private final List<CapturedAttention> captured = new ArrayList<>();
    private boolean capturing;
    private int length;
    private final AliveRows alive = new AliveRows();
    private final Suspension suspension;
    private final LayerReports reports;
    private @Nullable SequencePrefix prefix;

    PagedSequence(PagedBackend backend, int tableSlot) {
        this(
                backend,
                tableSlot,
                layer -> new LayerShape(
                        layer,
                        backend.schedule(),
                        backend.geometry(),
                        backend.config().placement()));
    }

    private PagedSequence(PagedBackend backend, int tableSlot, IntFunction<LayerShape> shapes) {
        this.backend = backend;
        this.tableSlot = tableSlot;
        this.need = new StepNeed(backend);
        this.reservation = new Reservation(backend.pool(), backend.tier(), backend.availability(), backend.kernels());
        TableLayout layout = backend.tableLayout();
        MemorySegment memory = backend.tableMemory(tableSlot);
        MemorySegment noCounts = MemorySegment.ofArray(new byte[(int) layout.countersBytes()]);
        backend.device().write(noCounts, memory, 0, noCounts.byteSize());
        this.attention = new LayerAttention(backend);
        this.layers = new LayerBlocks[backend.geometry().layers()];
        for (int layer = 0; layer < layers.length; layer++) {
            TableLayout.Tables tables = layout.tables(backend.device(), memory, layer);
            FetchTally tally = layout.tally(backend.device(), memory, layer);
            layers[layer] = new LayerBlocks(shapes.apply(layer), backend, tables, tally, reservation);
        }
        reports = new LayerReports(
                layers, step, backend.lock(), backend.geometry().blockBytes());
        quiet = new QuietTokens(layers, backend.pool(), backend.copies());
        suspension = new Suspension(layers, backend.copies(), reservation);
    }

    /** Starts behind what is cached of a prefix, or throws and is to be closed; the sequence is empty before. */
    void startBehind(SequencePrefix start) {
        prefix = start;
        length = start.start(layers, reservation);
    }

    /** Takes the same blocks as {@code parent}, or throws and is to be closed; the shapes are the parent's already. */
    private void shareWith(PagedSequence parent) {
        LayerSharing sharing = new LayerSharing(backend.pool(), backend.tier(), backend.copies());
        for (int layer = 0; layer < layers.length; layer++) {
            sharing.fork(parent.layers[layer], layers[layer]);
        }
        length = parent.length;
        prefix = parent.prefix == null ? null : parent.prefix.fork();
    }

    @Override
    public void name(int... tokens) {
        backend.lock().lock();
        try {
            step.requireOpen();
            if (prefix == null) {
                throw new UnsupportedOperationException("the sequence was opened without a request");
            }
            prefix.name(tokens);
        } finally {
            backend.lock().unlock();
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

    @Override
    public FetchReport fetchReport() {
        return reports.all();
    }

    @Override
    public FetchReport fetchReport(int layer) {
        return reports.of(layer);
    }

    @Override
    public List<HeadFetch> headFetches(int layer) {
        return reports.heads(layer);
    }

    @Override
    public void beginPrompt(int tokens) {
        backend.lock().lock();
        try {
            plan(tokens);
            start(tokens, true);
        } finally {
            backend.lock().unlock();
        }
    }

    @Override
    public void beginToken() {
        backend.lock().lock();
        try {
            plan(1);
            start(1, false);
        } finally {
            backend.lock().unlock();
        }
    }

    /** Checks a step and counts what it can need; nothing changes before {@link #start}. */
    StepNeed plan(int tokens) {
        step.requireIdle();
        need.count(layers, quiet, length, tokens);
        return need;
    }

    /** Takes what was planned, and makes room. */
    void start(int tokens, boolean prompt) {
        reservation.begin(need.blocks(), need.homes());
        step.working();
        if (prompt) {
            quiet.forget();
            alive.begin(length, tokens);
        }
        if (!prompt) {
            quiet.extend(length);
        }
        step.begin(tokens, prompt);
    }

    @Override
    public RowSelection attendPrompt(
            int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        backend.lock().lock();
        try {
            step.requireLayer(layer, true);
            alive.require(layer, rows);
            StepProtocol.requireRows(backend.geometry(), rows, q, k, v, out);
            step.working();
            RowExchange exchange = backend.exchange();
            MemorySegment queries = exchange.queries(q);
            MemorySegment keys = exchange.keys(k);
            MemorySegment values = exchange.values(v);
            MemorySegment output = exchange.output(out);
            LayerBlocks blocks = layers[layer];
            boolean first = length == 0 && step.tokens() > 1;
            RowSelection survivors = attention.promptRows(
                    blocks, first, rows, step.tokens(), queries, keys, values, alive.positions(), output);
            exchange.deliver(out);
            alive.keep(survivors);
            step.layerDone(layers.length);
            return survivors;
        } finally {
            backend.lock().unlock();
        }
    }

    @Override
    public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        backend.lock().lock();
        try {
            step.requireLayer(layer, false);
            StepProtocol.requireRows(backend.geometry(), 1, q, k, v, out);
            step.working();
            RowExchange exchange = backend.exchange();
            attention.token(
                    layers[layer], exchange.queries(q), exchange.keys(k), exchange.values(v), exchange.output(out));
            exchange.deliver(out);
            if (!capturing) {
                layers[layer].tally.attention();
            }
            step.layerDone(layers.length);
        } finally {
            backend.lock().unlock();
        }
    }

    @Override
    public CapturedStep capture(Runnable attends) {
        backend.lock().lock();
        try {
            step.requireLayer(0, false);
            capturing = true;
            CapturedAttention capture =
                    new CapturedAttention(backend.device().record(attends), backend.lock(), step, layers, captured);
            step.requireComplete(layers.length);
            return capture;
        } finally {
            capturing = false;
            step.rewind();
            backend.lock().unlock();
        }
    }

    @Override
    public void commit() {
        backend.lock().lock();
        try {
            step.requireComplete(layers.length);
            step.working();
            length += step.tokens();
            quiet.settle(attention, backend.schedule());
            if (prefix != null) {
                prefix.register(layers, length);
            }
            reservation.end();
            step.end();
        } finally {
            backend.lock().unlock();
        }
    }

    @Override
    public KvSequence fork() {
        backend.lock().lock();
        try {
            step.requireIdle();
            quiet.forget();
            return backend.register(
                    slot -> new PagedSequence(backend, slot, layer -> new LayerShape(layers[layer].shape)),
                    child -> child.shareWith(this));
        } finally {
            backend.lock().unlock();
        }
    }

    @Override
    public void truncate(int newLength) {
        backend.lock().lock();
        try {
            step.requireIdle();
            if (newLength < 0 || newLength > length) {
                throw new IllegalArgumentException("truncate to " + newLength + " tokens; accepted: 0 to " + length);
            }
            quiet.forget();
            reservation.begin(LayerSharing.blocksToOnboard(layers, newLength), 0);
            step.working();
            boolean whole = true;
            for (LayerBlocks layer : layers) {
                whole &= LayerSharing.isWholeBelow(layer.shape, newLength, length);
                layer.truncate(layer.slotsBelow(newLength), newLength);
            }
            reservation.end();
            length = newLength;
            if (prefix != null) {
                prefix.truncate(newLength, whole);
            }
            step.done();
        } finally {
            backend.lock().unlock();
        }
    }

    @Override
    public long suspend() {
        backend.lock().lock();
        try {
            step.requireIdle();
            quiet.forget();
            long homes = suspension.moveOut();
            if (prefix != null) {
                prefix.pause();
            }
            step.suspend();
            return homes * backend.geometry().blockBytes();
        } finally {
            backend.lock().unlock();
        }
    }

    @Override
    public long resume() {
        backend.lock().lock();
        try {
            step.requireOpen();
            long blocks = suspension.moveIn();
            if (prefix != null) {
                prefix.resume(length);
            }
            step.resume();
            return blocks * backend.geometry().blockBytes();
        } finally {
            backend.lock().unlock();
        }
    }

    /** Whether {@link #resume} may be called now. */
    Admission admitResumption(AdmissionControl admission) {
        step.requireOpen();
        return suspension.admit(admission);
    }

    @Override
    public boolean suspended() {
        step.requireOpen();
        return suspension.holds();
    }

    @Override
    public long deviceBytes() {
        step.requireOpen();
        return suspension.deviceBlocks() * backend.geometry().blockBytes();
    }

    /** A layer that another engine's kernels could read now. */
    LayerBlocks exportableLayer(int layer) {
        step.requireIdle();
        if (layers[layer].kept() == 0 || suspension.holds()) {
            throw new IllegalStateException("a sequence that is empty or suspended has no blocks to read");
        }
        return layers[layer];
    }

    boolean of(PagedBackend owner) {
        return backend == owner;
    }

    @Override
    public void close() {
        backend.lock().lock();
        try {
            step.close();
            List.copyOf(captured).forEach(CapturedAttention::close);
            reservation.end();
            suspension.release();
            for (LayerBlocks layer : layers) {
                layer.release();
            }
            if (prefix != null) {
                prefix.close();
            }
            backend.unregister(this, tableSlot);
        } finally {
            backend.lock().unlock();
        }
    }

    /** Adds this sequence's references to the recounts. */
    void count(int[] blockReferences, int[] homeReferences) {
        suspension.count(homeReferences);
        for (LayerBlocks layer : layers) {
            layer.count(blockReferences, homeReferences);
        }
    }
}
