package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.MemoryPlan;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import java.lang.reflect.Proxy;

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

    /** A paged cache of so many blocks and homes, for sequences of 16 tokens. */
    static PagedBackend open(CacheGeometry geometry, int blocks, int homes) {
        return open(
                KvCacheConfig.builder(CacheName.PAGED, geometry)
                        .device("host:plain")
                        .maxSequenceTokens(16),
                blocks,
                homes);
    }

    /** Counts what becomes of recorded steps; none of them runs. */
    static final class Recorder implements Device.Recording {
        int launched;
        int closed;

        @Override
        public void launch() {
            launched++;
        }

        @Override
        public void close() {
            closed++;
        }
    }

    /** A cache whose device records steps: with {@code recorder}, while it runs them once. */
    static PagedBackend recording(KvCacheConfig config, Recorder recorder) {
        Device plain = ProviderSelection.device("host:plain");
        Device device = (Device) Proxy.newProxyInstance(
                Backends.class.getClassLoader(), new Class<?>[] {Device.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("record")) {
                        ((Runnable) arguments[0]).run();
                        return recorder;
                    }
                    return method.invoke(plain, arguments);
                });
        return new PagedBackend(config, new PagedPlan(config), device);
    }

    static Reservation reservation(PagedBackend backend) {
        return new Reservation(backend.pool(), backend.tier(), backend.availability(), backend.kernels());
    }
}
