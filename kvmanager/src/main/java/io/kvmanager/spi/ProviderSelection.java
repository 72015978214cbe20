package io.kvmanager.spi;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.KvCacheException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Chooses providers in the open: a named one or an error, else the best usable one by priority; what was chosen, and
 * why others were not, is logged.
 */
public final class ProviderSelection {
    private static final Logger LOG = LoggerFactory.getLogger(ProviderSelection.class);

    /** What a user writes to leave the choice to us. */
    public static final String AUTO = "auto";

    private ProviderSelection() {}

    /**
     * A device by name, such as {@code auto}, {@code host}, {@code host:plain}.
     *
     * @throws KvCacheException.ProviderUnusable if the named one is missing or cannot run, or none can
     */
    public static Device device(String name) {
        if (!name.equals(AUTO)) {
            DeviceProvider provider = named(name);
            if (provider.probe() instanceof Usability.Unusable unusable) {
                throw new KvCacheException.ProviderUnusable(
                        "device '" + name + "' cannot be used here: " + unusable.reason());
            }
            int colon = name.indexOf(':');
            return provider.open(colon < 0 ? "" : name.substring(colon + 1));
        }
        List<String> refusals = new ArrayList<>();
        for (DeviceProvider provider : devices()) {
            switch (provider.probe()) {
                case Usability.Usable usable -> {
                    LOG.info("device {}: {}; not chosen: {}", provider.name(), usable.detail(), refusals);
                    return provider.open("");
                }
                case Usability.Unusable unusable -> refusals.add(provider.name() + ": " + unusable.reason());
            }
        }
        throw new KvCacheException.ProviderUnusable("no device is usable here: " + refusals);
    }

    /**
     * {@link Device#scratchBytes} of a device by name, whether or not it can run here.
     *
     * @throws KvCacheException.ProviderUnusable if the named one is missing
     */
    public static long scratchBytes(String name, CacheGeometry geometry, int tokens) {
        if (!name.equals(AUTO)) {
            return named(name).scratchBytes(geometry, tokens);
        }
        for (DeviceProvider provider : devices()) {
            if (provider.probe() instanceof Usability.Usable) {
                return provider.scratchBytes(geometry, tokens);
            }
        }
        return 0;
    }

    private static DeviceProvider named(String name) {
        String kind = name.split(":", 2)[0];
        List<String> known = new ArrayList<>();
        for (DeviceProvider provider : devices()) {
            if (provider.name().equals(kind)) {
                return provider;
            }
            known.add(provider.name());
        }
        throw new KvCacheException.ProviderUnusable(
                "device '" + name + "' is unknown; accepted: auto, " + String.join(", ", known));
    }

    /** Every device provider on the class path, best first. */
    public static List<DeviceProvider> devices() {
        return load(DeviceProvider.class).stream()
                .sorted(Comparator.comparingInt(DeviceProvider::priority).reversed())
                .toList();
    }

    /** The backend provider that serves {@code cache}. */
    public static KvCacheBackendProvider backend(CacheName cache) {
        for (KvCacheBackendProvider provider : load(KvCacheBackendProvider.class)) {
            if (provider.serves(cache)) {
                return provider;
            }
        }
        throw new KvCacheException.ProviderUnusable(
                "no module on the class path serves cache '" + cache + "'; add the paging module");
    }

    /** The value tier provider. */
    public static ValueTierProvider valueTier() {
        List<ValueTierProvider> providers = load(ValueTierProvider.class);
        if (providers.isEmpty()) {
            throw new KvCacheException.ProviderUnusable(
                    "no module on the class path keeps V in host memory; add the offload module");
        }
        return providers.getFirst();
    }

    /** The provider of prefix caches. */
    public static PrefixCacheProvider prefixCaches() {
        List<PrefixCacheProvider> providers = load(PrefixCacheProvider.class);
        if (providers.isEmpty()) {
            throw new KvCacheException.ProviderUnusable(
                    "no module on the class path keeps an index of prefixes; add the paging module");
        }
        return providers.getFirst();
    }

    private static <T> List<T> load(Class<T> type) {
        List<T> found = new ArrayList<>();
        ServiceLoader.load(type, ProviderSelection.class.getClassLoader()).forEach(found::add);
        return found;
    }
}
