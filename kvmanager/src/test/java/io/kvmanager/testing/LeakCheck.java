package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.Ledger;
import io.kvmanager.Tier;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Opens caches for a test and, behind it, fails the test if one of them does not add up or holds more than when it was
 * opened. Register it with {@code @RegisterExtension} and close every sequence in the test.
 */
public final class LeakCheck implements AfterEachCallback {
    private record Watched(KvCache cache, Ledger atOpen) {}

    private final List<Watched> caches = new ArrayList<>();

    /** Opens a cache that is checked and closed behind the test. */
    public KvCache open(KvCacheConfig config) {
        KvCache cache = KvCache.open(config);
        caches.add(new Watched(cache, cache.ledger()));
        return cache;
    }

    /** Audits every open cache now. */
    public void audit() {
        for (Watched watched : caches) {
            assertEquals(
                    List.of(),
                    watched.cache().audit(),
                    () -> "audit of " + watched.cache().config());
        }
    }

    @Override
    public void afterEach(ExtensionContext context) {
        try {
            audit();
            for (Watched watched : caches) {
                for (Tier tier : Tier.values()) {
                    assertEquals(
                            watched.atOpen().usedBytes(tier),
                            watched.cache().ledger().usedBytes(tier),
                            () -> tier + " bytes leaked by " + watched.cache().config());
                }
            }
        } finally {
            caches.forEach(watched -> watched.cache().close());
            caches.clear();
        }
    }
}
