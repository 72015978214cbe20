package io.kvmanager.inference.evaluation;

import io.kvmanager.CacheGeometry;
import io.kvmanager.FetchReport;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.MemoryUse;
import io.kvmanager.inference.Generation;
import io.kvmanager.inference.Score;
import java.util.ArrayList;
import java.util.List;

/** Adds up what an entry's windows measured. */
final class WindowTally {
    private final AuditTally audit;
    private double nats;
    private double divergence;
    private int steps;
    private int agreements;
    private long promptTokens;
    private long prefillNanos;
    private long decodeSteps;
    private long decodeNanos;
    private int continuations;
    private int greedyTokens;
    private int greedyAgreement;
    private MemoryUse memory = new MemoryUse(0, 0, 0, 0, 0, 0);
    private String device = "";
    private final List<Integer> retained = new ArrayList<>();
    private FetchReport fetch = FetchReport.NONE;

    WindowTally(CacheGeometry geometry) {
        audit = new AuditTally(geometry.layers(), geometry.queryHeads());
    }

    /** Where what attention audits find goes. */
    AuditTally audit() {
        return audit;
    }

    /** Adds a window that was scored. */
    void add(Score score, Score oracle, double summedDivergence) {
        nats += score.meanNats() * score.nats().size();
        divergence += summedDivergence;
        steps += score.nats().size();
        for (int i = 0; i < score.best().size(); i++) {
            agreements += score.best().get(i).equals(oracle.best().get(i)) ? 1 : 0;
        }
    }

    /** Adds a greedy continuation. */
    void add(Generation text, OracleWindow oracle) {
        continuations++;
        greedyTokens += oracle.greedyTokens();
        greedyAgreement += oracle.greedyAgreement(text.ids());
        promptTokens += text.promptTokens();
        prefillNanos += text.prefillNanos();
        decodeSteps += text.decodeSteps();
        decodeNanos += text.decodeNanos();
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
            List<RecallAnswer> answers) {
        return new EntryResult(
                entry,
                config,
                device,
                perplexity(),
                perplexity() / perplexityOfFull,
                (double) agreements / steps,
                divergence / steps,
                audit.loss(),
                new EntryResult.Greedy((double) greedyAgreement / continuations, (double) greedyTokens / continuations),
                memory,
                windowTokens,
                retained,
                fetch,
                promptTokens * 1e9 / Math.max(1, prefillNanos),
                decodeSteps * 1e9 / Math.max(1, decodeNanos),
                answers);
    }
}
