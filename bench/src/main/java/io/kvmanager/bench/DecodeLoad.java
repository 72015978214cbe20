package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.KvCache;
import io.kvmanager.KvSequence;
import io.kvmanager.MemoryUse;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.StepBatch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** As many sequences as a budget holds, decoded as one batch. */
abstract class DecodeLoad {
    private static final int WARM_UP_STEPS = 2;

    final DecodeShape shape;
    private final double roofBytesPerNano;

    DecodeLoad(DecodeShape shape, double roofBytesPerNano) {
        this.shape = shape;
        this.roofBytesPerNano = roofBytesPerNano;
    }

    /** {@code model} or {@code attention}. */
    abstract String name();

    /** Runs a sequence's prompt; returns nanoseconds that count. */
    abstract long prompt(KvSequence sequence);

    /** Called behind the prompts, before the first step. */
    void start(List<KvSequence> sequences) {}

    /** Runs the begun step of all sequences; returns nanoseconds that the cache took, without its begin. */
    abstract long step(List<KvSequence> sequences);

    /** Bytes beside K and V that a step reads. */
    abstract long weightBytes();

    /** The device that the cache is opened on. */
    abstract String device();

    /** Runs one cache. */
    DecodeFigures run(CacheName cache) {
        DecodeCapacity capacity = new DecodeCapacity(cache, shape);
        int held = capacity.held();
        if (held == 0) {
            return DecodeFigures.none(cache, name(), shape, roofBytesPerNano);
        }
        try (KvCache open = KvCache.open(shape.config(cache, held, device()))) {
            List<KvSequence> sequences = new ArrayList<>();
            long prefillNanos = 0;
            for (int i = 0; i < held; i++) {
                sequences.add(open.openSequence());
                prefillNanos += prompt(sequences.getLast());
            }
            start(sequences);
            int steps = shape.newTokens();
            long[] stepNanos = new long[steps];
            long[] attentionNanos = new long[steps];
            StepBatch batch = new StepBatch();
            for (int step = 0; step < steps; step++) {
                batch.clear();
                sequences.forEach(batch::token);
                long start = System.nanoTime();
                open.begin(batch);
                long begun = System.nanoTime();
                attentionNanos[step] = begun - start + step(sequences);
                stepNanos[step] = System.nanoTime() - start;
            }
            MemoryUse use = open.memory();
            KvSequence one = sequences.getFirst();
            return new DecodeFigures(
                    cache,
                    name(),
                    shape.promptTokens(),
                    steps,
                    capacity.planned(),
                    held,
                    retainedShare(one),
                    use.deviceBytesPeak(),
                    use.hostBytesPeak(),
                    prefillNanos,
                    median(stepNanos),
                    median(attentionNanos),
                    Arrays.stream(stepNanos).sum(),
                    weightBytes() + held * bytesRead(open, one),
                    one.fetchReport().hitRatio(),
                    roofBytesPerNano);
        }
    }

    /** The median of what was timed once the code was warm. */
    private static long median(long[] nanos) {
        long[] sorted = Arrays.copyOfRange(nanos, Math.min(WARM_UP_STEPS, nanos.length - 1), nanos.length);
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    private double retainedShare(KvSequence sequence) {
        long slots = 0;
        for (int layer = 0; layer < shape.geometry().layers(); layer++) {
            slots += sequence.retained(layer);
        }
        return slots / (double) shape.geometry().layers() / sequence.length();
    }

    /** Bytes of K and V that a token of a sequence reads at the end: all of K, and V that is resident or chosen. */
    private long bytesRead(KvCache cache, KvSequence sequence) {
        CacheGeometry geometry = shape.geometry();
        long slotBytes = (long) geometry.kvHeads() * geometry.rowBytes();
        long bytes = 0;
        for (int layer = 0; layer < geometry.layers(); layer++) {
            long slots = sequence.retained(layer);
            long values = slots;
            if (cache.config().placement() instanceof PlacementPolicy.Offloaded offloaded
                    && layer >= offloaded.residentValueLayers()) {
                int resident = offloaded.recentTokens()
                        + (offloaded.sinkBlocks() + offloaded.selection().maxTiles()) * geometry.blockTokens();
                values = Math.min(slots, resident);
            }
            bytes += (slots + values) * slotBytes;
        }
        return bytes;
    }
}
