package io.kvmanager.spi;

import io.kvmanager.CacheGeometry;

/** Opens devices of one kind. Implementations are public classes with a public no-argument constructor. */
public interface DeviceProvider {

    /** The name a user writes, before any colon: {@code host}, {@code cuda}. */
    String name();

    /** Higher is preferred when the user says {@code auto}. */
    int priority();

    /** Whether this kind of device can be used here. Cheap, and never throws. */
    Usability probe();

    /** {@link Device#scratchBytes} of the devices that this opens, for plans. */
    default long scratchBytes(CacheGeometry geometry, int tokens) {
        return 0;
    }

    /**
     * Opens a device.
     *
     * @param argument what the user wrote behind the colon, or empty; {@code host:plain} forces the plain kernels
     * @throws IllegalArgumentException if the argument is not understood
     * @throws io.kvmanager.KvCacheException.ProviderUnusable if what it names cannot run here
     */
    Device open(String argument);
}
