package io.kvmanager.inference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.StepBatch;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A batch says what each of its sequences would say alone. */
class BatchedDecodeTest {
    private static final int NEW_TOKENS = 12;
    private static final List<String> PROMPTS = List.of(
            "There was once a miller who had three sons",
            "The code for Alice is 4831. What is",
            "She looked out of the window and saw that the rain had stopped at last, and");

    @Test
    void sameLogitsAsAlone() {
        Model model = Model.load(Model.EMBEDDED);
        KvCacheConfig config = KvCacheConfig.builder(
                        CacheName.PAGED, model.config().cacheGeometry(16, ElementType.F32))
                .maxSequenceTokens(64)
                .maxSequences(2 * PROMPTS.size())
                .build();
        Transformer transformer = new Transformer(model);
        int vocabulary = model.config().vocabulary();
        float[] logits = new float[PROMPTS.size() * vocabulary];
        int[] ids = new int[PROMPTS.size()];
        try (KvCache cache = KvCache.open(config);
                DecodeState state = new DecodeState(model.config(), 32)) {
            List<KvSequence> batched = new ArrayList<>();
            List<KvSequence> alone = new ArrayList<>();
            for (int i = 0; i < PROMPTS.size(); i++) {
                int[] prompt = model.tokenizer().encode(PROMPTS.get(i));
                alone.add(cache.openSequence());
                batched.add(cache.openSequence());
                transformer.prefill(alone.getLast(), prompt, state);
                ids[i] = Scoring.best(transformer.prefill(batched.getLast(), prompt, state));
            }
            StepBatch batch = new StepBatch();
            for (int step = 0; step < NEW_TOKENS; step++) {
                batch.clear();
                batched.forEach(batch::token);
                cache.begin(batch);
                transformer.decode(batched, ids, logits, state);
                for (int i = 0; i < ids.length; i++) {
                    float[] own = Arrays.copyOfRange(logits, i * vocabulary, (i + 1) * vocabulary);
                    float[] expected = transformer.decode(alone.get(i), ids[i], state);
                    for (int token = 0; token < vocabulary; token++) {
                        assertEquals(expected[token], own[token], 1e-3, "step " + step + ", sequence " + i);
                    }
                    ids[i] = Scoring.best(own);
                }
            }
            assertTrue(batched.get(0).length() != batched.get(1).length(), "of unequal lengths");
            assertThrows(
                    IllegalArgumentException.class,
                    () -> transformer.decode(batched, ids, logits, new DecodeState(model.config(), 1)));
        }
    }
}
