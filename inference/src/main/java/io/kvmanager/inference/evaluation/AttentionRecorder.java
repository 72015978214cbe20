package io.kvmanager.inference.evaluation;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Keeps a copy of what layer attention works on: K and V of every token, as BF16, the newest queries of the prompt, and
 * every query behind it. The sequence must compute every row in every layer.
 */
final class AttentionRecorder extends WatchedSequence {
    /** Newest queries of the prompt that are kept, at most. */
    static final int PROMPT_QUERIES = 64;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

    private final RecordedLayer[] layers;
    private int prompt;

    /**
     * Records up to {@code tokens} tokens.
     *
     * @param sequence an empty sequence of {@code full}
     */
    AttentionRecorder(KvSequence sequence, CacheGeometry geometry, int tokens) {
        super(sequence);
        layers = new RecordedLayer[geometry.layers()];
        for (int layer = 0; layer < layers.length; layer++) {
            layers[layer] = new RecordedLayer(geometry, tokens);
        }
    }

    /** What a layer saw. */
    RecordedLayer layer(int layer) {
        return layers[layer];
    }

    /** Tokens of the prompt. */
    int promptTokens() {
        return prompt;
    }

    @Override
    public void beginPrompt(int tokens) {
        super.beginPrompt(tokens);
        prompt = tokens;
    }

    @Override
    public RowSelection attendPrompt(
            int layer, int rows, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        RowSelection selection = super.attendPrompt(layer, rows, q, k, v, out);
        if (!selection.keepsAll()) {
            throw new IllegalStateException("layer " + layer + " dropped rows; record full");
        }
        layers[layer].append(rows, k, v);
        int first = Math.max(0, rows - PROMPT_QUERIES);
        layers[layer].appendQueries(first, rows - first, q);
        return selection;
    }

    @Override
    public void attend(int layer, MemorySegment q, MemorySegment k, MemorySegment v, MemorySegment out) {
        super.attend(layer, q, k, v, out);
        layers[layer].append(1, k, v);
        layers[layer].appendQueries(0, 1, q);
    }

    /** {@code elements} F32 of {@code from} as BF16. */
    static void store(MemorySegment from, long firstElement, short[] to, int at, int elements) {
        for (int i = 0; i < elements; i++) {
            to[at + i] = ElementType.BF16.encode(from.getAtIndex(FLOAT, firstElement + i));
        }
    }
}
