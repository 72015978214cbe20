package io.kvmanager.inference.model;

import io.kvmanager.inference.math.Matrix;
import io.kvmanager.inference.math.RmsNorm;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads llama2.c's {@code .bin} files, little-endian, with the tokenizer ({@code tokenizer.bin} or {@code tokN.bin}, N
 * the vocabulary) beside them. Two layouts:
 *
 * <pre>
 * F32       i32 hidden, intermediate, layers, queryHeads, kvHeads, vocabulary, context
 *           (a negative vocabulary: the output head is not the embedding and stands at the end)
 *           f32 embedding, attentionNorm[layers], Wq[layers], Wk[layers], Wv[layers], Wo[layers], mlpNorm[layers],
 *               Wgate[layers], Wdown[layers], Wup[layers], finalNorm, cos and sin (unused), [output]
 * BitNet    u32 magic, i32 version 1, the seven numbers, u8 tied, zeros up to byte 256
 *           f32 finalNorm, embedding
 *           Wq, Wk, Wv, Wo, Wgate, Wdown, Wup, each [layers] of an f32 scale and 2-bit codes
 * </pre>
 *
 * <p>BitNet has no norms with a gain of their own: each projection's input is scaled to {@code x / (|x| sqrt(n))},
 * which is RMSNorm with epsilon 0 and gain 1/n.
 */
final class Llama2cFile {
    private static final int MAGIC = 0x616b3432;
    private static final int LEGACY_HEADER_BYTES = 7 * Integer.BYTES;
    private static final int BITNET_HEADER_BYTES = 256;
    private static final double EPSILON = 1e-5;
    private static final double THETA = 10000;
    private static final int START_ID = 1;
    private static final List<Integer> END_IDS = List.of(1, 2);
    private static final String ACCEPTED = "llama2.c F32 without a magic number, or BitNet 2-bit with version 1";

    private Llama2cFile() {}

    static Model read(String name, Path path) {
        Path file = path.toAbsolutePath();
        ModelSource source = new ModelSource.Folder(file.getParent() == null ? Path.of("") : file.getParent());
        String fileName = String.valueOf(file.getFileName());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = source.require(fileName, arena);
            if (bytes.byteSize() < BITNET_HEADER_BYTES) {
                throw new ModelFormatException(
                        path.toString(), "is truncated: " + bytes.byteSize() + " bytes; accepted: " + ACCEPTED);
            }
            LittleEndianCursor cursor = new LittleEndianCursor(bytes);
            boolean bitNet = cursor.nextInt() == MAGIC;
            ModelConfig config = bitNet ? bitNetConfig(path, cursor) : legacyConfig(path, cursor);
            requireBytes(path, bytes.byteSize(), bitNet ? bitNetBytes(config) : legacyBytes(config));
            ModelWeights weights = bitNet ? bitNetWeights(config, cursor) : legacyWeights(config, cursor);
            return new Model(name, config, weights, tokenizer(source, config), source.profile(config));
        }
    }

    private static ScoredPieceTokenizer tokenizer(ModelSource source, ModelConfig config) {
        String named = "tok" + config.vocabulary() + ".bin";
        try (Arena arena = Arena.ofConfined()) {
            if (source.open(named, arena).isPresent()) {
                return ScoredPieceTokenizer.parse(
                        source.path(named), source.require(named, arena), config.vocabulary());
            }
            return ScoredPieceTokenizer.parse(
                    source.path("tokenizer.bin"), source.require("tokenizer.bin", arena), config.vocabulary());
        }
    }

    private static ModelConfig legacyConfig(Path path, LittleEndianCursor cursor) {
        cursor.skipTo(0);
        return config(path, cursor, null);
    }

    private static ModelConfig bitNetConfig(Path path, LittleEndianCursor cursor) {
        int version = cursor.nextInt();
        if (version != 1) {
            throw new ModelFormatException(path.toString(), "has version " + version + "; accepted: " + ACCEPTED);
        }
        ModelConfig config = config(path, cursor, true);
        boolean tied = cursor.nextBytes(1)[0] == 1;
        if (!tied || config.hidden() % 4 != 0 || config.intermediate() % 4 != 0) {
            throw new ModelFormatException(
                    path.toString(), "untied embeddings and sides that 4 does not divide are not supported");
        }
        cursor.skipTo(BITNET_HEADER_BYTES);
        return config;
    }

    /** Reads the seven numbers; {@code tied} null: the vocabulary's sign tells. */
    private static ModelConfig config(Path path, LittleEndianCursor cursor, @Nullable Boolean tied) {
        int[] numbers = new int[7];
        Arrays.setAll(numbers, i -> cursor.nextInt());
        int heads = numbers[3];
        int vocabulary = numbers[5];
        if (heads <= 0 || numbers[0] % heads != 0) {
            throw new ModelFormatException(
                    path.toString(),
                    "is not a model: a hidden size of " + numbers[0] + " in " + heads + " query heads; accepted: "
                            + ACCEPTED);
        }
        try {
            return new ModelConfig(
                    Math.abs(vocabulary),
                    numbers[0],
                    numbers[1],
                    numbers[2],
                    heads,
                    numbers[4],
                    numbers[0] / heads,
                    numbers[6],
                    THETA,
                    EPSILON,
                    ModelConfig.RopePairing.INTERLEAVED,
                    START_ID,
                    END_IDS,
                    tied != null ? tied : vocabulary > 0);
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(
                    path.toString(), "is not a model: " + e.getMessage() + "; accepted: " + ACCEPTED, e);
        }
    }

    private static void requireBytes(Path path, long found, long expected) {
        if (found != expected) {
            throw new ModelFormatException(
                    path.toString(),
                    (found < expected ? "is truncated" : "is too long") + ": " + found + " bytes, its header makes "
                            + expected + "; accepted: " + ACCEPTED);
        }
    }

    private static long legacyBytes(ModelConfig c) {
        long hidden = c.hidden();
        long perLayer = 2 * hidden
                + 2 * hidden * c.queryElements()
                + 2 * hidden * c.keyElements()
                + 3 * hidden * c.intermediate();
        long angles = (long) c.context() * c.headSize();
        long heads = (c.tiedEmbeddings() ? 1L : 2L) * c.vocabulary() * hidden;
        return LEGACY_HEADER_BYTES + Float.BYTES * (heads + c.layers() * perLayer + hidden + angles);
    }

    private static ModelWeights legacyWeights(ModelConfig c, LittleEndianCursor cursor) {
        int count = c.layers();
        Matrix embedding = cursor.nextMatrix(c.vocabulary(), c.hidden());
        RmsNorm[] attentionNorm = cursor.nextNorms(count, c.hidden(), EPSILON);
        Matrix[] query = cursor.nextMatrices(count, c.queryElements(), c.hidden());
        Matrix[] key = cursor.nextMatrices(count, c.keyElements(), c.hidden());
        Matrix[] value = cursor.nextMatrices(count, c.keyElements(), c.hidden());
        Matrix[] attentionOutput = cursor.nextMatrices(count, c.hidden(), c.queryElements());
        RmsNorm[] mlpNorm = cursor.nextNorms(count, c.hidden(), EPSILON);
        Matrix[] gate = cursor.nextMatrices(count, c.intermediate(), c.hidden());
        Matrix[] down = cursor.nextMatrices(count, c.hidden(), c.intermediate());
        Matrix[] up = cursor.nextMatrices(count, c.intermediate(), c.hidden());
        RmsNorm finalNorm = cursor.nextNorm(c.hidden(), EPSILON);
        cursor.skipTo(cursor.at() + (long) Float.BYTES * c.context() * c.headSize());
        Matrix output = c.tiedEmbeddings() ? embedding : cursor.nextMatrix(c.vocabulary(), c.hidden());

        List<ModelWeights.Layer> layers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            layers.add(new ModelWeights.Layer(
                    attentionNorm[i],
                    query[i],
                    key[i],
                    value[i],
                    null,
                    attentionOutput[i],
                    mlpNorm[i],
                    gate[i],
                    up[i],
                    null,
                    down[i]));
        }
        return new ModelWeights(embedding, layers, finalNorm, output);
    }

    private static long bitNetBytes(ModelConfig c) {
        long perLayer = 2 * LittleEndianCursor.ternaryBytes(c.queryElements(), c.hidden())
                + 2 * LittleEndianCursor.ternaryBytes(c.keyElements(), c.hidden())
                + 3 * LittleEndianCursor.ternaryBytes(c.intermediate(), c.hidden());
        return BITNET_HEADER_BYTES + Float.BYTES * (1L + c.vocabulary()) * c.hidden() + c.layers() * perLayer;
    }

    private static ModelWeights bitNetWeights(ModelConfig c, LittleEndianCursor cursor) {
        int count = c.layers();
        RmsNorm finalNorm = cursor.nextNorm(c.hidden(), EPSILON);
        Matrix embedding = cursor.nextMatrix(c.vocabulary(), c.hidden());
        Matrix[] query = cursor.nextTernaryMatrices(count, c.queryElements(), c.hidden());
        Matrix[] key = cursor.nextTernaryMatrices(count, c.keyElements(), c.hidden());
        Matrix[] value = cursor.nextTernaryMatrices(count, c.keyElements(), c.hidden());
        Matrix[] attentionOutput = cursor.nextTernaryMatrices(count, c.hidden(), c.queryElements());
        Matrix[] gate = cursor.nextTernaryMatrices(count, c.intermediate(), c.hidden());
        Matrix[] down = cursor.nextTernaryMatrices(count, c.hidden(), c.intermediate());
        Matrix[] up = cursor.nextTernaryMatrices(count, c.intermediate(), c.hidden());

        RmsNorm ofHidden = unitNorm(c.hidden());
        RmsNorm ofAttention = unitNorm(c.queryElements());
        RmsNorm ofGated = unitNorm(c.intermediate());
        List<ModelWeights.Layer> layers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            layers.add(new ModelWeights.Layer(
                    ofHidden,
                    query[i],
                    key[i],
                    value[i],
                    ofAttention,
                    attentionOutput[i],
                    ofHidden,
                    gate[i],
                    up[i],
                    ofGated,
                    down[i]));
        }
        return new ModelWeights(embedding, layers, finalNorm, embedding);
    }

    private static RmsNorm unitNorm(int elements) {
        float[] gain = new float[elements];
        Arrays.fill(gain, 1f / elements);
        return new RmsNorm(gain, 0);
    }
}
