package io.kvmanager.paging;

import io.kvmanager.KvCacheConfig;
import io.kvmanager.MemoryPlan;
import io.kvmanager.spi.ProviderSelection;

/** Opens caches on {@code host:plain} whose parts a test takes in its own hands. */
final class Backends {
    private Backends() {}

    static PagedBackend open(KvCacheConfig config) {
        return new PagedBackend(config, new PagedPlan(config), ProviderSelection.device("host:plain"));
    }

    /** A cache of so many blocks, beside its tile cache, and homes; be they enough for a sequence or not. */
    static PagedBackend open(KvCacheConfig.Builder builder, int blocks, int homes) {
        KvCacheConfig config = builder.build();
        long blockBytes = config.geometry().blockBytes();
        MemoryPlan plan = new PagedPlan(builder.hostBytes(homes * blockBytes).build()).memoryPlan();
        long beside = plan.tableBytes() + plan.workspaceBytes();
        return open(builder.deviceBytes(beside + (blocks + plan.tileCacheBlocks()) * blockBytes)
                .build());
    }

    static Reservation reservation(PagedBackend backend) {
        return new Reservation(backend.pool(), backend.tier(), backend.availability(), backend.kernels());
    }
}
