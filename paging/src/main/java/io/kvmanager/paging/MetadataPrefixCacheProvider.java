package io.kvmanager.paging;

import io.kvmanager.spi.PrefixCache;
import io.kvmanager.spi.PrefixCacheProvider;
import java.util.List;

/** Opens prefix caches under every eviction order of this module. */
public final class MetadataPrefixCacheProvider implements PrefixCacheProvider {

    /** For {@link java.util.ServiceLoader}. */
    public MetadataPrefixCacheProvider() {}

    @Override
    public List<String> policies() {
        return EvictionOrders.names();
    }

    @Override
    public PrefixCache open(String policy, int cachedBlocks, int longestRequestBlocks) {
        if (cachedBlocks < 1 || longestRequestBlocks < 1) {
            throw new IllegalArgumentException("a cache of " + cachedBlocks + " blocks for requests of "
                    + longestRequestBlocks + "; expected 1 or more of each");
        }
        int entries = MetadataPrefixCache.entries(cachedBlocks, longestRequestBlocks);
        EvictionOrder order = EvictionOrders.make(policy, entries, cachedBlocks);
        return new MetadataPrefixCache(order, cachedBlocks, longestRequestBlocks);
    }
}
