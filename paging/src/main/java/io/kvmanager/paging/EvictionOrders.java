package io.kvmanager.paging;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The eviction orders by name. */
final class EvictionOrders {
    private static final long TIME_TO_LIVE_MILLIS = 300_000;
    private static final Map<String, OrderFactory> ORDERS = orders();

    private EvictionOrders() {}

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

    /** Every name, the plainest first. */
    static List<String> names() {
        return new ArrayList<>(ORDERS.keySet());
    }

    /** Makes the order of that name, or says which there are. */
    static EvictionOrder make(String name, int entries, int cachedBlocks) {
        OrderFactory factory = ORDERS.get(name);
        if (factory == null) {
            throw new IllegalArgumentException(
                    "eviction policy '" + name + "' is unknown; accepted: " + String.join(", ", ORDERS.keySet()));
        }
        return factory.make(entries, cachedBlocks);
    }
}
