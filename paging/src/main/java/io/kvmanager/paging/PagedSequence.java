package io.kvmanager.paging;

import io.kvmanager.CapturedStep;
import io.kvmanager.FetchReport;
import io.kvmanager.KvCacheException.SequenceTooLong;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.RowExchange;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

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
    private static final MemorySegment NO_COUNTS = MemorySegment.ofArray(new byte[FetchTally.COUNTER_BYTES]);

    private final PagedBackend backend;
    private final int tableSlot;
    private final Reservation reservation;
    private final LayerBlocks[] layers;
    private final LayerAttention attention;
    private final FetchTally tally;
    private final StepProtocol step = new StepProtocol();
    private final List<Captured> captured = new ArrayList<>();
    private boolean capturing;
    private int length;
    private int[] alive = new int[0];

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

    private PagedSequence(PagedSequence parent, int tableSlot) {
        this(parent.backend, tableSlot, layer -> new LayerShape(parent.layers[layer].shape));
        for (int layer = 0; layer < layers.length; layer++) {
            layers[layer].shareFrom(parent.layers[layer]);
        }
        length = parent.length;
    }

    private PagedSequence(PagedBackend backend, int tableSlot, IntFunction<LayerShape> shapes) {
        this.backend = backend;
        this.tableSlot = tableSlot;
        this.reservation = new Reservation(backend.pool(), backend.tier(), backend.geometry(), backend::ledger);
        MemorySegment memory = backend.tableMemory(tableSlot);
        MemorySegment counters = TableLayout.counters(memory);
        backend.device().write(NO_COUNTS, counters, 0, NO_COUNTS.byteSize());
        this.tally = new FetchTally(backend.device(), counters);
        this.attention = new LayerAttention(backend, tally);
        this.layers = new LayerBlocks[backend.geometry().layers()];
        for (int layer = 0; layer < layers.length; layer++) {
            TableLayout.Tables tables = backend.tableLayout().tables(backend.device(), memory, layer);
            layers[layer] = new LayerBlocks(shapes.apply(layer), backend, tables, reservation);
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
        backend.lock().lock();
        try {
            step.requireOpen();
            return tally.report();
        } finally {
            backend.lock().unlock();
        }
    }

    @Override
    public void beginPrompt(int tokens) {
        backend.lock().lock();
        try {
            step.requireIdle();
            if (tokens < 1) {
                throw new IllegalArgumentException("a prompt of " + tokens + " tokens; accepted: 1 or more");
            }
            reserve(tokens);
            alive = RowSelection.all(tokens).rows();
            for (int i = 0; i < tokens; i++) {
                alive[i] += length;
            }
            step.begin(tokens, true);
        } finally {
            backend.lock().unlock();
        }
    }

    @Override
    public void beginToken() {
        backend.lock().lock();
        try {
            step.requireIdle();
            reserve(1);
            for (LayerBlocks layer : layers) {
                layer.extend(length);
            }
            step.begin(1, false);
        } finally {
            backend.lock().unlock();
        }
    }

    private void reserve(int tokens) {
        int limit = backend.config().maxSequenceTokens();
        if (length + tokens > limit) {
            throw new SequenceTooLong(length + tokens, limit);
        }
        if (length == 0 && tokens > 1) {
            Footprint prompt = backend.promptFootprint(tokens);
            reservation.begin(prompt.peakBlocks(), prompt.peakHomes());
            return;
        }
        int recent = backend.schedule().recentInGeneration(layers[0].kept() + 1);
        int blocks = 0;
        int homes = 0;
        for (LayerBlocks layer : layers) {
            blocks += layer.shape.newBlocks(tokens) + layer.sharedBlocks(tokens, recent);
            homes += layer.shape.newHomes(tokens);
        }
        reservation.begin(blocks, homes);
    }

    @Override
    public RowSelection attendPrompt(
            int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        backend.lock().lock();
        try {
            step.requireLayer(layer, true);
            if (rows != alive.length) {
                throw new IllegalArgumentException(
                        "layer " + layer + " was given " + rows + " rows, " + alive.length + " are alive");
            }
            backend.requireRows(rows, q, k, v, out);
            RowExchange exchange = backend.exchange();
            MemorySegment queries = exchange.queries(q);
            MemorySegment keys = exchange.keys(k);
            MemorySegment values = exchange.values(v);
            MemorySegment output = exchange.output(out);
            LayerBlocks blocks = layers[layer];
            RowSelection survivors;
            if (attention.runsInPieces(blocks)) {
                attention.pieces(blocks, rows, queries, keys, values, alive, output);
                blocks.settle(tally);
                survivors = RowSelection.all(rows);
            } else if (length == 0 && step.tokens() > 1) {
                blocks.extend(rows, alive, 0);
                blocks.append(keys, values, rows);
                survivors = attention.prompt(blocks, queries, rows, step.tokens(), alive, output);
                blocks.settle(tally);
            } else {
                attention.rows(blocks, rows, queries, keys, values, alive, output);
                survivors = RowSelection.all(rows);
            }
            exchange.deliver(out);
            alive = survivors.select(alive);
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
            backend.requireRows(1, q, k, v, out);
            RowExchange exchange = backend.exchange();
            attention.token(
                    layers[layer], exchange.queries(q), exchange.keys(k), exchange.values(v), exchange.output(out));
            exchange.deliver(out);
            if (!capturing) {
                tally.attention();
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
            Captured capture = new Captured(backend.device().record(attends));
            captured.add(capture);
            step.requireComplete(layers.length);
            return capture;
        } finally {
            capturing = false;
            step.rewind();
            backend.lock().unlock();
        }
    }

    /** Launches that belong to this sequence. */
    private final class Captured implements CapturedStep {
        private final Device.Recording recording;

        Captured(Device.Recording recording) {
            this.recording = recording;
        }

        @Override
        public void replay() {
            backend.lock().lock();
            try {
                step.requireLayer(0, false);
                recording.launch();
                for (LayerBlocks _ : layers) {
                    tally.attention();
                    step.layerDone(layers.length);
                }
            } finally {
                backend.lock().unlock();
            }
        }

        @Override
        public void close() {
            backend.lock().lock();
            try {
                recording.close();
                captured.remove(this);
            } finally {
                backend.lock().unlock();
            }
        }
    }

    @Override
    public void commit() {
        backend.lock().lock();
        try {
            step.requireComplete(layers.length);
            length += step.tokens();
            int recent = backend.schedule().recentInGeneration(layers[0].kept());
            for (LayerBlocks layer : layers) {
                while (layer.shape.pruneDue(recent)) {
                    attention.pruneWindow(layer);
                }
                layer.settle(tally);
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
            return backend.register(slot -> new PagedSequence(this, slot));
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
            int onboard = 0;
            for (LayerBlocks layer : layers) {
                onboard += layer.blocksToOnboard(layer.slotsBelow(newLength));
            }
            reservation.begin(onboard, 0);
            for (LayerBlocks layer : layers) {
                layer.truncate(layer.slotsBelow(newLength), newLength, tally);
            }
            reservation.end();
            length = newLength;
        } finally {
            backend.lock().unlock();
        }
    }

    @Override
    public void close() {
        backend.lock().lock();
        try {
            step.close();
            List.copyOf(captured).forEach(Captured::close);
            reservation.end();
            for (LayerBlocks layer : layers) {
                layer.release(tally);
            }
            backend.unregister(this, tableSlot);
        } finally {
            backend.lock().unlock();
        }
    }

    /** Adds this sequence's references to the recounts. */
    void count(int[] blockReferences, int[] homeReferences) {
        for (LayerBlocks layer : layers) {
            layer.count(blockReferences, homeReferences);
        }
    }
}
