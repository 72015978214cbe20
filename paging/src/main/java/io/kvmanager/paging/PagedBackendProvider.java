package io.kvmanager.paging;

import io.kvmanager.CacheName;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.MemoryPlan;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.KvCacheBackend;
import io.kvmanager.spi.KvCacheBackendProvider;
import io.kvmanager.spi.ProviderSelection;
import java.util.function.Function;

/** Serves every cache name: {@code full} on contiguous regions, policies under a budget apart, the rest on blocks. */
public final class PagedBackendProvider implements KvCacheBackendProvider {

    /** For {@link java.util.ServiceLoader}. */
    public PagedBackendProvider() {}

    @Override
    public boolean serves(CacheName cache) {
        return true;
    }

    @Override
    public MemoryPlan plan(KvCacheConfig config) {
        if (config.cache().budgeted()) {
            return new BudgetPlan(config).memoryPlan();
        }
        return config.cache() == CacheName.FULL ? ContiguousBackend.plan(config) : new PagedPlan(config).memoryPlan();
    }

    @Override
    public KvCacheBackend open(KvCacheConfig config) {
        if (config.cache() == CacheName.FULL) {
            ContiguousBackend.requireOneSequence(config);
            return opened(config, device -> new ContiguousBackend(config, device));
        }
        if (config.cache().budgeted()) {
            BudgetPlan plan = new BudgetPlan(config);
            plan.requireOneSequence();
            return opened(config, device -> new BudgetBackend(config, plan, device));
        }
        PagedPlan plan = new PagedPlan(config);
        plan.requireOneSequence();
        return opened(config, device -> new PagedBackend(config, plan, device));
    }

    /** Opens the device, and closes it again if the backend cannot be made. */
    private static KvCacheBackend opened(KvCacheConfig config, Function<Device, KvCacheBackend> make) {
        Device device = ProviderSelection.device(config.device());
        try {
            return make.apply(device);
        } catch (RuntimeException | OutOfMemoryError e) {
            device.close();
            throw e;
        }
    }
}
