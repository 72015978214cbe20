package io.kvmanager.inference.evaluation;

import io.kvmanager.FetchReport;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * The sequence that a recorded prompt would have become under given shares, without computing the prompt again: with a
 * cache-only retention every row is computed the same way whatever is kept. Tokens behind the prompt are all kept.
 */
final class PrunedReplay implements KvSequence {
    private final RecordedLayer[] layers;
    private final int[][] kept;
    private final int prompt;
    private final float[] query;
    private final float[] attention;
    private int length;

    /**
     * Starts behind the prompt.
     *
     * @param layers K and V of the prompt; what is fed is appended and forgotten again by {@link #close}
     * @param kept tokens of the prompt that each layer keeps
     * @param queryElements elements of a query
     */
    PrunedReplay(RecordedLayer[] layers, int[][] kept, int prompt, int queryElements) {
        this.layers = layers;
        this.kept = kept;
        this.prompt = prompt;
        length = prompt;
        query = new float[queryElements];
        attention = new float[queryElements];
        close();
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public int retained(int layer) {
        return kept[layer].length + length - prompt;
    }

    @Override
    public int[] positions(int layer) {
        int[] positions = Arrays.copyOf(kept[layer], retained(layer));
        for (int i = prompt; i < length; i++) {
            positions[kept[layer].length + i - prompt] = i;
        }
        Arrays.sort(positions);
        return positions;
    }

    @Override
    public void beginToken() {}

    @Override
    public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        layers[layer].append(1, k, v);
        MemorySegment.copy(q, ValueLayout.JAVA_FLOAT, 0, query, 0, query.length);
        int newer = layers[layer].tokens() - prompt;
        int[] positions = Arrays.copyOf(kept[layer], kept[layer].length + newer);
        for (int i = 0; i < newer; i++) {
            positions[kept[layer].length + i] = prompt + i;
        }
        layers[layer].attend(query, positions, attention);
        MemorySegment.copy(attention, 0, out, ValueLayout.JAVA_FLOAT, 0, attention.length);
    }

    @Override
    public void commit() {
        length++;
    }

    @Override
    public void beginPrompt(int tokens) {
        throw new UnsupportedOperationException("the prompt is a recorded one");
    }

    @Override
    public RowSelection attendPrompt(
            int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        throw new UnsupportedOperationException("the prompt is a recorded one");
    }

    @Override
    public KvSequence fork() {
        throw new UnsupportedOperationException("a replay is not forked");
    }

    @Override
    public void truncate(int tokens) {
        throw new UnsupportedOperationException("a replay is not truncated");
    }

    @Override
    public FetchReport fetchReport() {
        return FetchReport.NONE;
    }

    @Override
    public void close() {
        for (RecordedLayer layer : layers) {
            layer.truncate(prompt);
        }
    }
}
