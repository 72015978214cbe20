package io.kvmanager.inference;

import io.kvmanager.KvSequence;
import io.kvmanager.RowSelection;
import io.kvmanager.inference.math.MatrixProduct;
import io.kvmanager.inference.math.Rope;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelConfig;
import io.kvmanager.inference.model.ModelWeights;
import java.util.List;

/**
 * The forward pass of a Llama-architecture model. With {@code h} the hidden states, every layer computes
 *
 * <pre>
 * q, k, v = Wq n, Wk n, Wv n         n = RMSNorm(h); RoPE turns q and k by their positions
 * h += Wo attention(q, K, V)         the sequence appends k and v and attends over what it kept
 * h += Wdown (SiLU(Wgate m) * Wup m)     m = RMSNorm(h)
 * </pre>
 *
 * and the logits are {@code Wout RMSNorm(h)} of the last token. Attention and everything about its memory is the
 * {@link KvSequence}'s; this class knows nothing else of the cache. Immutable: all state is in the
 * {@link DecodeState} and the sequence.
 */
public final class Transformer {
    private final ModelConfig config;
    private final ModelWeights weights;
    private final Rope rope;

    /** The forward pass of {@code model}. */
    public Transformer(Model model) {
        config = model.config();
        weights = model.weights();
        rope = new Rope(
                config.headSize(), config.ropeTheta(), config.ropePairing() == ModelConfig.RopePairing.INTERLEAVED);
    }

    /**
     * A whole prompt, layer by layer, behind what the sequence holds. Rows that the sequence drops behind a layer are
     * not computed in the layers above.
     *
     * @return logits of the last token, {@code [vocabulary]}, the state's buffer
     * @throws IllegalArgumentException if the prompt is empty, fits neither the state nor the model's context, or names
     *     an id that the model does not have; nothing changed
     */
    public float[] prefill(KvSequence sequence, int[] ids, DecodeState s) {
        int rows = ids.length;
        int first = sequence.length();
        checkPrompt(first, ids, s);
        sequence.beginPrompt(rows);

        // h = embedding of each token
        for (int row = 0; row < rows; row++) {
            weights.embedding().copyRow(ids[row], s.hidden, row * config.hidden());
            s.alive[row] = row;
        }
        rope.angles(first, rows, s.cos, s.sin);

        for (int index = 0; index < config.layers(); index++) {
            ModelWeights.Layer layer = weights.layers().get(index);
            project(layer, rows, s);
            s.giveToSequence(rows);
            RowSelection selection =
                    sequence.attendPrompt(index, rows, s.nativeQuery, s.nativeKey, s.nativeValue, s.nativeAttention);
            s.takeFromSequence(rows);
            rows = keepAlive(selection, rows, index, s);
            addAttention(layer, rows, s);
            addMlp(layer, rows, s);
        }
        sequence.commit();
        return head(s);
    }

    /**
     * One more token.
     *
     * @return logits behind it, {@code [vocabulary]}, the state's buffer
     * @throws IllegalArgumentException if the context is full or the model does not have the id; nothing changed
     */
    public float[] decode(KvSequence sequence, int id, DecodeState s) {
        int position = sequence.length();
        checkPosition(position, 1);
        checkId(id);
        sequence.beginToken();

        weights.embedding().copyRow(id, s.hidden, 0);
        s.alive[0] = 0;
        rope.angles(position, 1, s.cos, s.sin);

        for (int index = 0; index < config.layers(); index++) {
            ModelWeights.Layer layer = weights.layers().get(index);
            project(layer, 1, s);
            s.giveToSequence(1);
            sequence.attend(index, s.nativeQuery, s.nativeKey, s.nativeValue, s.nativeAttention);
            s.takeFromSequence(1);
            addAttention(layer, 1, s);
            addMlp(layer, 1, s);
        }
        sequence.commit();
        return head(s);
    }

    /**
     * One more token of each of several sequences, begun together by {@link io.kvmanager.KvCache#begin}: the weights
     * are read once for all of them.
     *
     * @param ids each sequence's token
     * @param logits behind each, {@code [sequences][vocabulary]}, written
     * @throws IllegalArgumentException if they are more than the state's rows, a context is full or the model does not
     *     have an id; nothing changed
     */
    public void decode(List<KvSequence> sequences, int[] ids, float[] logits, DecodeState s) {
        int rows = sequences.size();
        checkRows(rows, s);
        for (int row = 0; row < rows; row++) {
            int position = sequences.get(row).length();
            checkPosition(position, 1);
            checkId(ids[row]);
            weights.embedding().copyRow(ids[row], s.hidden, row * config.hidden());
            s.alive[row] = row;
            rope.angle(position, row, s.cos, s.sin);
        }

        long queryBytes = (long) Float.BYTES * config.queryElements();
        long keyBytes = (long) Float.BYTES * config.keyElements();
        for (int index = 0; index < config.layers(); index++) {
            ModelWeights.Layer layer = weights.layers().get(index);
            project(layer, rows, s);
            s.giveToSequence(rows);
            for (int row = 0; row < rows; row++) {
                sequences
                        .get(row)
                        .attend(
                                index,
                                s.nativeQuery.asSlice(row * queryBytes, queryBytes),
                                s.nativeKey.asSlice(row * keyBytes, keyBytes),
                                s.nativeValue.asSlice(row * keyBytes, keyBytes),
                                s.nativeAttention.asSlice(row * queryBytes, queryBytes));
            }
            s.takeFromSequence(rows);
            addAttention(layer, rows, s);
            addMlp(layer, rows, s);
        }
        sequences.forEach(KvSequence::commit);
        weights.finalNorm().apply(rows, s.hidden, s.normed);
        s.product.multiply(weights.output(), s.normed, rows, logits);
    }

    /** q, k and v of the rows alive, q and k turned by their positions. */
    private void project(ModelWeights.Layer layer, int rows, DecodeState s) {
        MatrixProduct product = s.product;
        layer.attentionNorm().apply(rows, s.hidden, s.normed);
        product.multiply(layer.query(), s.normed, rows, s.query);
        product.multiply(layer.key(), s.normed, rows, s.key);
        product.multiply(layer.value(), s.normed, rows, s.value);
        rope.rotate(s.query, rows, config.queryHeads(), s.alive, s.cos, s.sin);
        rope.rotate(s.key, rows, config.kvHeads(), s.alive, s.cos, s.sin);
    }

    /** h += Wo attention. */
    private void addAttention(ModelWeights.Layer layer, int rows, DecodeState s) {
        if (layer.attentionOutputNorm() != null) {
            layer.attentionOutputNorm().apply(rows, s.attention, s.attention);
        }
        s.product.multiply(layer.attentionOutput(), s.attention, rows, s.delta);
        add(s.hidden, s.delta, rows * config.hidden());
    }

    /** h += Wdown (SiLU(Wgate m) * Wup m). */
    private void addMlp(ModelWeights.Layer layer, int rows, DecodeState s) {
        MatrixProduct product = s.product;
        layer.mlpNorm().apply(rows, s.hidden, s.normed);
        product.multiply(layer.gate(), s.normed, rows, s.gate);
        product.multiply(layer.up(), s.normed, rows, s.up);
        product.gate(s.gate, s.up, rows * config.intermediate());
        if (layer.mlpOutputNorm() != null) {
            layer.mlpOutputNorm().apply(rows, s.gate, s.gate);
        }
        product.multiply(layer.down(), s.gate, rows, s.delta);
        add(s.hidden, s.delta, rows * config.hidden());
    }

    /** Logits of the first row, which is the last one alive. */
    private float[] head(DecodeState s) {
        weights.finalNorm().apply(1, s.hidden, s.normed);
        s.product.multiply(weights.output(), s.normed, 1, s.logits);
        return s.logits;
    }

    /**
     * Drops the rows that do not go on: before the layer's output projection and MLP, since nobody reads theirs. Behind
     * the last layer only the last row is read.
     */
    private int keepAlive(RowSelection selection, int rows, int layer, DecodeState s) {
        int[] kept = selection.rows();
        if (selection.of() != rows || kept.length == 0 || kept[kept.length - 1] != rows - 1) {
            throw new IllegalStateException("layer " + layer + " kept " + kept.length + " of " + selection.of()
                    + " rows; expected: some of " + rows + ", the last one among them");
        }
        if (layer == config.layers() - 1) {
            kept = new int[] {rows - 1};
        }
        if (kept.length < rows) {
            s.keepRows(kept);
        }
        return kept.length;
    }

    private void checkPrompt(int first, int[] ids, DecodeState s) {
        if (ids.length == 0) {
            throw new IllegalArgumentException("the prompt is empty; accepted: 1 token or more");
        }
        checkPosition(first, ids.length);
        checkRows(ids.length, s);
        for (int id : ids) {
            checkId(id);
        }
    }

    private static void checkRows(int rows, DecodeState s) {
        if (rows > s.maxRows) {
            throw new IllegalArgumentException(rows + " rows exceed the state's " + s.maxRows);
        }
    }

    private void checkPosition(int first, int tokens) {
        if (tokens > config.context() - first) {
            throw new IllegalArgumentException(tokens + " tokens behind " + first + " exceed the model's context of "
                    + config.context() + " tokens");
        }
    }

    private void checkId(int id) {
        if (id < 0 || id >= config.vocabulary()) {
            throw new IllegalArgumentException(
                    "token id " + id + " is not accepted; accepted: 0 to " + (config.vocabulary() - 1));
        }
    }

    private static void add(float[] x, float[] y, int elements) {
        for (int i = 0; i < elements; i++) {
            x[i] += y[i];
        }
    }
}
