package io.kvmanager.inference;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.FetchReport;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.ValueSelection;
import io.kvmanager.inference.model.Model;
import io.kvmanager.testing.CudaAvailable;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The embedded model says the same on CUDA as on the host, from the same tiles. */
@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaEqualsHostTest {
    private static final int NEW_TOKENS = 6;

    /** What a run said, and what it fetched. */
    private record Run(List<Integer> ids, long hits, long misses, List<Integer> retained) {}

    @Test
    void sameTokensFromTheSameTiles() {
        Model model = Model.load(Model.EMBEDDED);
        int[] prompt = model.tokenizer()
                .encode("There was once a miller who had three sons, and when he died he left them nothing but his"
                        + " mill, his donkey and his cat. The eldest took the mill, and said");
        assertEquals(greedy(model, "host:plain", prompt), greedy(model, CudaAvailable.DEVICE, prompt));
    }

    private static Run greedy(Model model, String device, int[] prompt) {
        KvCacheConfig config = KvCacheConfig.builder(
                        CacheName.PYRAMID_KCACHE, model.config().cacheGeometry(8, ElementType.BF16))
                .device(device)
                .profile(model.profile().orElseThrow())
                .selection(new ValueSelection.TopN(1))
                .recentTokens(8)
                .promptTokens(prompt.length)
                .maxSequenceTokens(prompt.length + NEW_TOKENS)
                .build();
        Transformer transformer = new Transformer(model);
        List<Integer> ids = new ArrayList<>();
        try (KvCache cache = KvCache.open(config);
                KvSequence sequence = cache.openSequence();
                DecodeState state = new DecodeState(model.config(), prompt.length)) {
            float[] last = transformer.prefill(sequence, prompt, state);
            while (ids.size() < NEW_TOKENS) {
                ids.add(Scoring.best(last));
                last = transformer.decode(sequence, ids.getLast(), state);
            }
            List<Integer> retained = new ArrayList<>();
            for (int layer = 0; layer < model.config().layers(); layer++) {
                retained.add(sequence.retained(layer));
            }
            FetchReport report = sequence.fetchReport();
            return new Run(ids, report.tilesHit(), report.tilesMissed(), retained);
        }
    }
}
