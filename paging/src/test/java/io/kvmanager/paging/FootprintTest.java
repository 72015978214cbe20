package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.ValueSelection;
import io.kvmanager.testing.EngineDouble;
import io.kvmanager.testing.LeakCheck;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a footprint says is what a sequence takes. */
class FootprintTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(5, 4, 2, 8, 16, ElementType.BF16);

    /** Partial fetches differ from full attention; the oracle of the contract covers them. */
    private static final double[] NOT_COMPARED = {};

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "paged; all; 333",
                "pyramid; layers(1/.1/.3/1/.2); 400",
                "pyramid; pyramid(d=.3,recent=.1); 400",
                "kcache; all; 400",
                "pyramid; chunks(1/.1/.3/1/.2,size=64); 400",
                "pyramid+kcache; chunks(1/.1/.3/1/.2,size=64); 400",
                "pyramid+kcache; chunks(.2/.1/.3/.9/1,size=32,queries=8); 47",
                "pyramid+kcache; layers(1/.1/.3/1/.2); 400",
                "pyramid+kcache; layers(.2/.1/.3/.9/1); 16",
                "pyramid+kcache; half; 401"
            })
    void promptsPeakExactlyAsPlanned(String name, String retention, int tokens) {
        KvCacheConfig config = KvCacheConfig.builder(CacheName.parse(name), GEOMETRY)
                .device("host:plain")
                .maxSequenceTokens(tokens + 60)
                .promptTokens(tokens)
                .selection(new ValueSelection.TopN(2))
                .compensation(tokens % 3 == 0 ? Compensation.MEAN : Compensation.INT4)
                .set("retention", retention)
                .build();
        KvCache cache = leaks.open(config);
        long blockBytes = GEOMETRY.blockBytes();
        long atOpen = cache.memory().deviceBytes();
        try (EngineDouble engine = new EngineDouble(GEOMETRY, 5, tokens);
                KvSequence sequence = cache.openSequence()) {
            engine.prompt(sequence, tokens, (layer, alive, row) -> null);
            Footprint prompt = new Footprint(config).run(tokens, tokens);
            assertEquals(prompt.peakBlocks() * blockBytes, cache.memory().deviceBytesPeak() - atOpen);
            assertEquals(prompt.peakHomes() * blockBytes, cache.memory().hostBytesPeak());
            for (int i = 0; i < 60; i++) {
                engine.token(sequence, (layer, positions) -> NOT_COMPARED);
            }
            Footprint whole = new Footprint(config).run(tokens, tokens + 60);
            long used = cache.memory().deviceBytesPeak() - atOpen;
            assertTrue(used <= whole.peakBlocks() * blockBytes, used + " of " + whole.peakBlocks());
            assertTrue(cache.memory().hostBytesPeak() <= whole.peakHomes() * blockBytes);
        }
    }
}
