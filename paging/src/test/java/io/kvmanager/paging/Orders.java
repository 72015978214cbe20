package io.kvmanager.paging;

/** Eviction orders by name, for tests. */
final class Orders {
    static final long TIME_TO_LIVE_MILLIS = 5000;

    private Orders() {}

    static EvictionOrder make(String policy, int entries, int cachedBlocks) {
        return switch (policy) {
            case "lru" -> new RecencyOrder(entries);
            case "slru" -> new SegmentedOrder(entries, cachedBlocks);
            case "priority" -> new PriorityOrder(entries, TIME_TO_LIVE_MILLIS);
            case "w-tinylfu" -> new FrequencyOrder(entries, cachedBlocks);
            case "hit-density" -> new HitDensityOrder(entries, cachedBlocks);
            default -> throw new IllegalArgumentException(policy);
        };
    }
}
