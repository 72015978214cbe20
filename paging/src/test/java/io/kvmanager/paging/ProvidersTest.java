package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.MemoryPlan;
import io.kvmanager.spi.KvCacheBackend;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is opened under which name. */
class ProvidersTest {
    private final PagedBackendProvider provider = new PagedBackendProvider();

    private static KvCacheConfig.Builder builder(CacheName cache) {
        return KvCacheConfig.builder(cache, new CacheGeometry(2, 2, 1, 4, 4, ElementType.F32))
                .device("host:plain")
                .recentTokens(4)
                .maxSequenceTokens(20);
    }

    @ParameterizedTest
    @CsvSource({"FULL, ContiguousBackend", "PAGED, PagedBackend", "PYRAMID_KCACHE, PagedBackend", "H2O, BudgetBackend"})
    void aNameHasItsBackendAndItsPlan(CacheName cache, String backendName) {
        assertTrue(provider.serves(cache));
        MemoryPlan plan = provider.plan(builder(cache).build());
        try (KvCacheBackend backend = provider.open(builder(cache).build())) {
            assertEquals(backendName, backend.getClass().getSimpleName());
            assertEquals(plan.deviceBytes(), backend.memory().deviceBytesAllocated());
        }
        KvCacheConfig small = builder(cache).deviceBytes(plan.deviceBytes() - 1).build();
        assertThrows(OutOfMemory.class, () -> provider.open(small));
    }

    @Test
    void prefixCachesOfMetadataHaveThePoliciesOfTheOthers() {
        MetadataPrefixCacheProvider metadata = new MetadataPrefixCacheProvider();
        assertEquals(EvictionOrders.names(), metadata.policies());
        assertInstanceOf(MetadataPrefixCache.class, metadata.open("lru", 1, 1));
        assertEquals(
                "a cache of 0 blocks for requests of 3; expected 1 or more of each",
                assertThrows(IllegalArgumentException.class, () -> metadata.open("lru", 0, 3))
                        .getMessage());
        assertThrows(IllegalArgumentException.class, () -> metadata.open("lru", 3, 0));
    }
}
