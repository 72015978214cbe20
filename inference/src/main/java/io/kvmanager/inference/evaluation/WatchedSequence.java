package io.kvmanager.inference.evaluation;

import io.kvmanager.FetchReport;
import io.kvmanager.HeadFetch;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A sequence that hands everything on to another one, for those who look at what passes. It starts empty, takes one
 * prompt, and is neither forked nor truncated. Closing closes the other one.
 */
abstract class WatchedSequence implements KvSequence {
    private final KvSequence sequence;

    WatchedSequence(KvSequence sequence) {
        this.sequence = sequence;
    }

    @Override
    public void beginPrompt(int tokens) {
        if (sequence.length() > 0) {
            throw new IllegalStateException("only a first prompt is watched");
        }
        sequence.beginPrompt(tokens);
    }

    @Override
    public RowSelection attendPrompt(
            int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        return sequence.attendPrompt(layer, rows, q, k, v, out);
    }

    @Override
    public void beginToken() {
        sequence.beginToken();
    }

    @Override
    public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        sequence.attend(layer, q, k, v, out);
    }

    @Override
    public void commit() {
        sequence.commit();
    }

    @Override
    public int length() {
        return sequence.length();
    }

    @Override
    public int retained(int layer) {
        return sequence.retained(layer);
    }

    @Override
    public int[] positions(int layer) {
        return sequence.positions(layer);
    }

    @Override
    public KvSequence fork() {
        throw new UnsupportedOperationException("a watched sequence is not forked");
    }

    @Override
    public void truncate(int length) {
        throw new UnsupportedOperationException("a watched sequence is not truncated");
    }

    @Override
    public FetchReport fetchReport() {
        return sequence.fetchReport();
    }

    @Override
    public FetchReport fetchReport(int layer) {
        return sequence.fetchReport(layer);
    }

    @Override
    public List<HeadFetch> headFetches(int layer) {
        return sequence.headFetches(layer);
    }

    @Override
    public void close() {
        sequence.close();
    }
}
