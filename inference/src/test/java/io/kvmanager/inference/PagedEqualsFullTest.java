package io.kvmanager.inference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Paging is lossless: the embedded model says the same on blocks as on one contiguous region. */
class PagedEqualsFullTest {
    private static final int NEW_TOKENS = 64;

    @ParameterizedTest
    @EnumSource(
            value = ElementType.class,
            names = {"F32", "BF16"})
    void sameTokensAndLogits(ElementType type) {
        Model model = Model.load(Model.EMBEDDED);
        int[] prompt = model.tokenizer()
                .encode("There was once a miller who had three sons, and when he died he left them nothing but his"
                        + " mill, his donkey and his cat. The code for Alice is 4831. The eldest took the mill,"
                        + " the second took the donkey, and the youngest had to be content with the cat. He sat"
                        + " down by the road and said");
        List<float[]> full = new ArrayList<>();
        List<float[]> paged = new ArrayList<>();
        assertEquals(
                greedy(model, CacheName.FULL, type, prompt, full), greedy(model, CacheName.PAGED, type, prompt, paged));
        for (int step = 0; step < full.size(); step++) {
            double largest = 0;
            double difference = 0;
            for (int i = 0; i < full.get(step).length; i++) {
                largest = Math.max(largest, Math.abs(full.get(step)[i]));
                difference = Math.max(difference, Math.abs(full.get(step)[i] - paged.get(step)[i]));
            }
            assertTrue(difference <= 1e-4 * largest, "step " + step + ": " + difference + " of " + largest);
        }
    }

    private static List<Integer> greedy(
            Model model, CacheName cache, ElementType type, int[] prompt, List<float[]> logits) {
        KvCacheConfig config = KvCacheConfig.builder(cache, model.config().cacheGeometry(16, type))
                .maxSequenceTokens(prompt.length + NEW_TOKENS)
                .build();
        Transformer transformer = new Transformer(model);
        List<Integer> ids = new ArrayList<>();
        try (KvCache opened = KvCache.open(config);
                KvSequence sequence = opened.openSequence();
                DecodeState state = new DecodeState(model.config(), prompt.length)) {
            float[] last = transformer.prefill(sequence, prompt, state);
            while (ids.size() < NEW_TOKENS) {
                logits.add(last.clone());
                ids.add(Scoring.best(last));
                last = transformer.decode(sequence, ids.getLast(), state);
            }
        }
        return ids;
    }
}
