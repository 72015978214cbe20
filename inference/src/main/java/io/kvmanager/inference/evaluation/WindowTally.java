package io.kvmanager.inference.evaluation;

import io.kvmanager.FetchReport;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.MemoryUse;
import io.kvmanager.inference.Score;
import java.util.ArrayList;
import java.util.List;

/** Adds up what an entry's windows measured. */
final class WindowTally {
    private double nats;
    private double divergence;
    private int steps;
    private int agreements;
    private long promptTokens;
    private long prefillNanos;
    private long decodeSteps;
    private long decodeNanos;
    private MemoryUse memory = new MemoryUse(0, 0, 0, 0, 0, 0);
    private String device = "";
    private final List<Integer> retained = new ArrayList<>();
    private FetchReport fetch = FetchReport.NONE;

    /** Adds a window. */
    void add(Score score, Score oracle, double summedDivergence) {
        nats += score.meanNats() * score.nats().size();
        divergence += summedDivergence;
        steps += score.nats().size();
        for (int i = 0; i < score.best().size(); i++) {
            agreements += score.best().get(i).equals(oracle.best().get(i)) ? 1 : 0;
        }
        promptTokens += score.promptTokens();
        prefillNanos += score.prefillNanos();
        decodeSteps += score.decodeSteps();
        decodeNanos += score.decodeNanos();
    }

    /** Adds what the window's cache held; the lengths follow from the tokens, so they are those of every window. */
    void addUse(KvCache cache, KvSequence sequence) {
        MemoryUse use = cache.memory();
        device = cache.deviceDescription();
        memory = new MemoryUse(
                Math.max(memory.deviceBytes(), use.deviceBytes()),
                Math.max(memory.deviceBytesPeak(), use.deviceBytesPeak()),
                Math.max(memory.deviceBytesAllocated(), use.deviceBytesAllocated()),
                Math.max(memory.hostBytes(), use.hostBytes()),
                Math.max(memory.hostBytesPeak(), use.hostBytesPeak()),
                Math.max(memory.hostBytesAllocated(), use.hostBytesAllocated()));
        retained.clear();
        for (int layer = 0; layer < cache.config().geometry().layers(); layer++) {
            retained.add(sequence.retained(layer));
        }
        fetch = fetch.plus(sequence.fetchReport());
    }

    double perplexity() {
        return Math.exp(nats / steps);
    }

    EntryResult result(
            CacheEntry entry,
            KvCacheConfig config,
            double perplexityOfFull,
            int windowTokens,
            List<Boolean> answers,
            List<Boolean> answersOfFull) {
        return new EntryResult(
                entry,
                config,
                device,
                perplexity(),
                perplexity() / perplexityOfFull,
                (double) agreements / steps,
                divergence / steps,
                memory,
                windowTokens,
                retained,
                fetch,
                promptTokens * 1e9 / Math.max(1, prefillNanos),
                decodeSteps * 1e9 / Math.max(1, decodeNanos),
                answers,
                answersOfFull);
    }
}
