package io.kvmanager.inference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
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
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The embedded model says the same on CUDA as on the host, from the same tiles. */
@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaEqualsHostTest {
    private static final int NEW_TOKENS = 6;

    /** What a run said, and what it fetched. */
    private record Run(List<Integer> ids, long hits, long misses, long inPlace, List<Integer> retained) {}

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
        topN(1);         RENORMALISE; 8
        certified(0.1);  RENORMALISE; 3
        certified(0.02); INT4;        8
        """)
    void sameTokensFromTheSameTiles(String selection, Compensation compensation, int tileCacheTiles) {
        Model model = Model.load(Model.EMBEDDED);
        int[] prompt = model.tokenizer()
                .encode("There was once a miller who had three sons, and when he died he left them nothing but his"
                        + " mill, his donkey and his cat. The eldest took the mill, and said");
        Run host = greedy(model, "host:plain", selection, compensation, tileCacheTiles, prompt);
        Run cuda = greedy(model, CudaAvailable.DEVICE, selection, compensation, tileCacheTiles, prompt);
        assertEquals(host, cuda);
        assertTrue(host.misses > 0, "nothing was fetched");
    }

    private static Run greedy(
            Model model, String device, String selection, Compensation compensation, int tileCacheTiles, int[] prompt) {
        KvCacheConfig config = KvCacheConfig.builder(
                        CacheName.PYRAMID_KCACHE, model.config().cacheGeometry(8, ElementType.BF16))
                .device(device)
                .profile(model.profile().orElseThrow())
                .selection(ValueSelection.parse(selection))
                .compensation(compensation)
                .tileCacheTiles(tileCacheTiles)
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
            return new Run(ids, report.tilesHit(), report.tilesMissed(), report.tilesInPlace(), retained);
        }
    }
}
