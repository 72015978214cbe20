package io.kvmanager.paging;

import io.kvmanager.spi.PrefixCache;
import io.kvmanager.spi.PrefixCacheProvider;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Opens prefix caches under every eviction order of this module. */
public final class MetadataPrefixCacheProvider implements PrefixCacheProvider {
    private static final long TIME_TO_LIVE_MILLIS = 300_000;
    private static final Map<String, OrderFactory> ORDERS = orders();

    /** For {@link java.util.ServiceLoader}. */
    public MetadataPrefixCacheProvider() {}

    /** Makes an order for an index of so many entries, of which so many stay cached. */
    private interface OrderFactory {
        EvictionOrder make(int entries, int cachedBlocks);
    }

    private static Map<String, OrderFactory> orders() {
        Map<String, OrderFactory> orders = new LinkedHashMap<>();
        orders.put("lru", (entries, cached) -> new RecencyOrder(entries));
        orders.put("slru", SegmentedOrder::new);
        orders.put("priority", (entries, cached) -> new PriorityOrder(entries, TIME_TO_LIVE_MILLIS));
        orders.put("w-tinylfu", FrequencyOrder::new);
        orders.put("hit-density", HitDensityOrder::new);
        return orders;
    }

    @Override
    public List<String> policies() {
        return new ArrayList<>(ORDERS.keySet());
    }

    @Override
    public PrefixCache open(String policy, int cachedBlocks, int longestRequestBlocks) {
        OrderFactory factory = ORDERS.get(policy);
        if (factory == null) {
            throw new IllegalArgumentException(
                    "eviction policy '" + policy + "' is unknown; accepted: " + String.join(", ", ORDERS.keySet()));
        }
        if (cachedBlocks < 1 || longestRequestBlocks < 1) {
            throw new IllegalArgumentException("a cache of " + cachedBlocks + " blocks for requests of "
                    + longestRequestBlocks + "; expected 1 or more of each");
        }
        int entries = MetadataPrefixCache.entries(cachedBlocks, longestRequestBlocks);
        return new MetadataPrefixCache(factory.make(entries, cachedBlocks), cachedBlocks, longestRequestBlocks);
    }
}
