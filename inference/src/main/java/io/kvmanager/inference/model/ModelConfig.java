package io.kvmanager.inference.model;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.util.List;
import java.util.Objects;

/**
 * The shape of a Llama-architecture model.
 *
 * @param vocabulary tokens, ids 0 up to below it
 * @param hidden elements of a hidden state
 * @param intermediate elements between the MLP's projections
 * @param layers transformer layers
 * @param queryHeads query heads, a multiple of {@code kvHeads}
 * @param kvHeads KV heads
 * @param headSize elements per head, even
 * @param context positions the model was made for, tokens
 * @param ropeTheta base of the rotary frequencies
 * @param rmsEpsilon added to the mean square in RMSNorm
 * @param ropePairing which elements of a head rotate together
 * @param startId id that begins a text, or {@link #NO_TOKEN}
 * @param endIds ids that end a text
 * @param tiedEmbeddings whether the output head is the embedding
 */
public record ModelConfig(
        int vocabulary,
        int hidden,
        int intermediate,
        int layers,
        int queryHeads,
        int kvHeads,
        int headSize,
        int context,
        double ropeTheta,
        double rmsEpsilon,
        RopePairing ropePairing,
        int startId,
        List<Integer> endIds,
        boolean tiedEmbeddings) {

    /** A start id that a model does not have. */
    public static final int NO_TOKEN = -1;

    /** Which two elements of a head form a pair that RoPE rotates. */
    public enum RopePairing {
        /** Element {@code i} with {@code i + headSize / 2}: Hugging Face checkpoints. */
        ROTATE_HALF,
        /** Element {@code 2 i} with {@code 2 i + 1}: llama2.c checkpoints. */
        INTERLEAVED
    }

    public ModelConfig {
        requirePositive("vocabulary", vocabulary);
        requirePositive("hidden size", hidden);
        requirePositive("intermediate size", intermediate);
        requirePositive("layers", layers);
        requirePositive("query heads", queryHeads);
        requirePositive("KV heads", kvHeads);
        requirePositive("head size", headSize);
        requirePositive("context", context);
        Objects.requireNonNull(ropePairing, "ropePairing");
        endIds = List.copyOf(endIds);
        if (queryHeads % kvHeads != 0) {
            throw new IllegalArgumentException(
                    queryHeads + " query heads are not a multiple of " + kvHeads + " KV heads");
        }
        if (headSize % 2 != 0) {
            throw new IllegalArgumentException("head size " + headSize + " is not accepted; accepted: an even number");
        }
        if (!(ropeTheta > 0) || !(rmsEpsilon >= 0)) {
            throw new IllegalArgumentException("RoPE theta " + ropeTheta + " and RMSNorm epsilon " + rmsEpsilon
                    + " are not accepted; accepted: above 0, and 0 or more");
        }
    }

    private static void requirePositive(String name, int value) {
        if (value <= 0) {
            throw new IllegalArgumentException(name + " " + value + " is not accepted; accepted: 1 or more");
        }
    }

    /** The shape of a cache for this model. */
    public CacheGeometry cacheGeometry(int blockTokens, ElementType elementType) {
        return new CacheGeometry(layers, queryHeads, kvHeads, headSize, blockTokens, elementType);
    }

    /** Elements of a token's query, and of its attention output. */
    public int queryElements() {
        return queryHeads * headSize;
    }

    /** Elements of a token's key, and of its value. */
    public int keyElements() {
        return kvHeads * headSize;
    }

    /** The same shape with other end tokens. */
    ModelConfig withEndIds(List<Integer> ids) {
        return new ModelConfig(
                vocabulary,
                hidden,
                intermediate,
                layers,
                queryHeads,
                kvHeads,
                headSize,
                context,
                ropeTheta,
                rmsEpsilon,
                ropePairing,
                startId,
                ids,
                tiedEmbeddings);
    }
}
