package io.kvmanager.bench;

import io.kvmanager.CacheName;
import io.kvmanager.KvCache;
import io.kvmanager.KvSequence;
import io.kvmanager.inference.DecodeState;
import io.kvmanager.inference.Scoring;
import io.kvmanager.inference.Transformer;
import io.kvmanager.inference.math.Matrix;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelWeights;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.List;

/** A model generates: every sequence continues the same text, which the model wrote, by its likeliest tokens. */
final class ModelDecodeLoad extends DecodeLoad implements AutoCloseable {
    private static final int MOST_ROWS = 4096;

    private final Model model;
    private final Transformer transformer;
    private final String device;
    private final DecodeState state;
    private final int[] prompt;
    private float[] logits = {};
    private int[] ids = {};
    private int firstId;
    private long attentionNanos;
    private List<KvSequence> timed = List.of();

    ModelDecodeLoad(Model model, DecodeShape shape, String device, double roofBytesPerNano) {
        super(shape, roofBytesPerNano);
        this.model = model;
        this.device = device;
        transformer = new Transformer(model);
        state = new DecodeState(model.config(), Math.max(shape.promptTokens(), MOST_ROWS));
        prompt = written();
    }

    /** A prompt that the model wrote, so that attention looks as it does in use. */
    private int[] written() {
        int[] text = new int[shape.promptTokens()];
        int[] start = model.tokenizer().encode("There was once a miller who had three sons, and when he died");
        int given = Math.min(start.length, text.length);
        System.arraycopy(start, 0, text, 0, given);
        try (KvCache cache = KvCache.open(
                        new DecodeShape(shape.geometry(), null, "", shape.promptTokens(), 1, Long.MAX_VALUE)
                                .config(CacheName.FULL, 1, device));
                KvSequence sequence = cache.openSequence()) {
            float[] last = transformer.prefill(sequence, Arrays.copyOf(text, given), state);
            for (int i = given; i < text.length; i++) {
                text[i] = Scoring.best(last);
                last = transformer.decode(sequence, text[i], state);
            }
        }
        return text;
    }

    @Override
    String name() {
        return "model";
    }

    @Override
    String device() {
        return device;
    }

    @Override
    long prompt(KvSequence sequence) {
        long start = System.nanoTime();
        firstId = Scoring.best(transformer.prefill(sequence, prompt, state));
        return System.nanoTime() - start;
    }

    @Override
    void start(List<KvSequence> sequences) {
        timed = sequences.stream().map(this::timed).toList();
        ids = new int[sequences.size()];
        logits = new float[sequences.size() * model.config().vocabulary()];
        Arrays.fill(ids, firstId);
    }

    @Override
    long step(List<KvSequence> sequences) {
        int vocabulary = model.config().vocabulary();
        attentionNanos = 0;
        transformer.decode(timed, ids, logits, state);
        for (int i = 0; i < ids.length; i++) {
            ids[i] = Scoring.best(Arrays.copyOfRange(logits, i * vocabulary, (i + 1) * vocabulary));
        }
        return attentionNanos;
    }

    /** The sequence, with the time of its part of a step added up. */
    private KvSequence timed(KvSequence sequence) {
        return (KvSequence) Proxy.newProxyInstance(
                KvSequence.class.getClassLoader(), new Class<?>[] {KvSequence.class}, (self, method, arguments) -> {
                    long start = System.nanoTime();
                    try {
                        return method.invoke(sequence, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getTargetException();
                    } finally {
                        attentionNanos += System.nanoTime() - start;
                    }
                });
    }

    @Override
    long weightBytes() {
        ModelWeights weights = model.weights();
        long elements = elements(weights.output());
        for (ModelWeights.Layer layer : weights.layers()) {
            elements += elements(layer.query())
                    + elements(layer.key())
                    + elements(layer.value())
                    + elements(layer.attentionOutput())
                    + elements(layer.gate())
                    + elements(layer.up())
                    + elements(layer.down());
        }
        return Float.BYTES * elements;
    }

    private static long elements(Matrix matrix) {
        return (long) matrix.outputs() * matrix.inputs();
    }

    @Override
    public void close() {
        state.close();
    }
}
