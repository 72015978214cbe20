package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.RetentionPolicy;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class SettingRangeTest {
    private static final int TOKENS = 600;

    @Test
    void wholeEndsGiveWholeNumbers() {
        Map<String, String> settings = Map.of("retention", "local(sinks=4,recent={16..20})");
        SettingRange range = SettingRange.find(settings).orElseThrow();
        assertEquals(4, range.steps());
        assertEquals("local(sinks=4,recent=16)", range.at(0).get("retention"));
        assertEquals("local(sinks=4,recent=19)", range.at(3).get("retention"));
        SettingRange falling =
                SettingRange.find(Map.of("retention", "profile^{8.0..0}")).orElseThrow();
        assertEquals("profile^8.0", falling.at(0).get("retention"));
        assertEquals("profile^4.0", falling.at(falling.steps() / 2).get("retention"));
        assertTrue(SettingRange.find(Map.of("selection", "topN(8)")).isEmpty());
        assertThrows(IllegalArgumentException.class, () -> SettingRange.find(Map.of("a", "{x..2}")));
    }

    @Test
    void aRangeTakesTheLargestValueThatFits() {
        CacheEntry entry = CacheEntry.parse("recent=local[retention=local(sinks=4,recent={16..4000})]");
        assertEquals("recent", entry.label());
        assertThrows(IllegalArgumentException.class, () -> config(entry));
        CacheEntry fitted = entry.withBudget(.46);
        assertEquals("recent @46%", fitted.label());
        KvCacheConfig config = config(fitted);
        RetentionPolicy.Local local = (RetentionPolicy.Local) config.retention();
        long budget = (long) (.46 * config.fullBytes(TOKENS));
        assertTrue(KvCache.plan(config).deviceBytes() <= budget);
        CacheEntry more = CacheEntry.parse("local[retention=local(sinks=4,recent=" + (local.recentTokens() + 1) + ")]");
        assertTrue(KvCache.plan(config(more)).deviceBytes() > budget);
        assertEquals(16, ((RetentionPolicy.Local) config(entry.withBudget(.001)).retention()).recentTokens());
    }

    @Test
    void aPowerOfTheProfileScalesIt() {
        RetentionPolicy.PerLayer profile = Prose.MODEL.profile().orElseThrow();
        RetentionPolicy.PerLayer squared = (RetentionPolicy.PerLayer)
                config(CacheEntry.parse("pyramid[retention=profile^2]")).retention();
        for (int layer = 0; layer < profile.shares().size(); layer++) {
            double share = profile.shares().get(layer);
            assertEquals(share * share, squared.shares().get(layer), 1e-12);
        }
        assertEquals(profile.recentTokens(), squared.recentTokens());
    }

    private static KvCacheConfig config(CacheEntry entry) {
        return entry.config(Prose.MODEL, TOKENS - 50, TOKENS, Map.of(), "auto");
    }
}
