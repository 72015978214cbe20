package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheName;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.RetentionPolicy;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class CacheEntryTest {
    @Test
    void commasInsideBracketsSeparateNothing() {
        List<CacheEntry> entries = CacheEntry.parseList("full,"
                + " kcache[selection=nucleus(0.99,32),compensation=none],pyramid[retention=pyramid(d=.5,recent=.1)]");
        assertEquals(3, entries.size());
        assertEquals(CacheEntry.FULL, entries.get(0));
        assertEquals(
                Map.of("selection", "nucleus(0.99,32)", "compensation", "none"),
                entries.get(1).settings());
        assertEquals(CacheName.PYRAMID, entries.get(2).cache());
        assertEquals(
                Map.of("retention", "pyramid(d=.5,recent=.1)"), entries.get(2).settings());
    }

    @Test
    void whatIsNoEntryIsRefusedInOneLine() {
        for (String text : List.of("pagd", "", "paged[", "paged[x]", "paged[=1]", "full,,paged")) {
            IllegalArgumentException refusal =
                    assertThrows(IllegalArgumentException.class, () -> CacheEntry.parseList(text), text);
            assertTrue(refusal.getMessage().lines().count() == 1, text);
        }
    }

    @Test
    void commonRetentionPassesByCachesThatKeepEverything() {
        Map<String, String> common = Map.of("retention", "half", "elementType", "f32");
        KvCacheConfig kcache = CacheEntry.parse("kcache").config(Prose.MODEL, 60, 80, common, "auto");
        assertInstanceOf(RetentionPolicy.All.class, kcache.retention());
        assertEquals(4, kcache.geometry().elementType().bytes());
        KvCacheConfig pyramid =
                CacheEntry.parse("pyramid[elementType=bf16]").config(Prose.MODEL, 60, 80, common, "auto");
        assertEquals("half", pyramid.retention().toString());
        assertEquals(2, pyramid.geometry().elementType().bytes());
        assertEquals(60, pyramid.promptTokens());
        assertEquals(80, pyramid.maxSequenceTokens());
    }

    @Test
    void fullIsFirstAndOnce() {
        List<CacheEntry> entries = CacheEntry.parseList("paged,full,full[elementType=f32]");
        assertEquals(
                List.of("full", "paged", "full[elementType=f32]"),
                Comparison.withFullFirst(entries).stream()
                        .map(CacheEntry::label)
                        .toList());
    }
}
