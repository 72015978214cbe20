package io.kvmanager.inference.model;

import io.kvmanager.inference.math.Matrix;
import io.kvmanager.inference.math.RmsNorm;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The parameters of a model, F32.
 *
 * @param embedding {@code [vocabulary][hidden]}
 * @param layers one per layer
 * @param finalNorm before the output head
 * @param output {@code [vocabulary][hidden]}, the embedding itself where the two are tied
 */
public record ModelWeights(Matrix embedding, List<Layer> layers, RmsNorm finalNorm, Matrix output) {

    /**
     * One layer. A matrix is {@code [outputs][inputs]}.
     *
     * @param attentionNorm of the hidden state, before q, k and v
     * @param query {@code [queryHeads * headSize][hidden]}
     * @param key {@code [kvHeads * headSize][hidden]}
     * @param value {@code [kvHeads * headSize][hidden]}
     * @param attentionOutputNorm of the attention's output, before its projection; BitNet models only
     * @param attentionOutput {@code [hidden][queryHeads * headSize]}
     * @param mlpNorm of the hidden state, before gate and up
     * @param gate {@code [intermediate][hidden]}
     * @param up {@code [intermediate][hidden]}
     * @param mlpOutputNorm of the gated product, before down; BitNet models only
     * @param down {@code [hidden][intermediate]}
     */
    public record Layer(
            RmsNorm attentionNorm,
            Matrix query,
            Matrix key,
            Matrix value,
            @Nullable RmsNorm attentionOutputNorm,
            Matrix attentionOutput,
            RmsNorm mlpNorm,
            Matrix gate,
            Matrix up,
            @Nullable RmsNorm mlpOutputNorm,
            Matrix down) {}

    public ModelWeights {
        layers = List.copyOf(layers);
    }
}
