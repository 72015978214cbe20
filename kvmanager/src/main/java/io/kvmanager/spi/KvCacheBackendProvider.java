package io.kvmanager.spi;

import io.kvmanager.CacheName;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.MemoryPlan;

/** Opens caches of some names. Implementations are public classes with a public no-argument constructor. */
public interface KvCacheBackendProvider {

    boolean serves(CacheName cache);

    /** What {@link #open} would take. */
    MemoryPlan plan(KvCacheConfig config);

    KvCacheBackend open(KvCacheConfig config);
}
