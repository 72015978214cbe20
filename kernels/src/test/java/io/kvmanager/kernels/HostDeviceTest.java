package io.kvmanager.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.testing.DeviceContract;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HostDeviceTest extends DeviceContract {

    @Override
    protected Device openDevice() {
        return new HostDeviceProvider().open("");
    }

    @Test
    void theServiceLoaderFindsIt() {
        try (Device device = ProviderSelection.device("host:plain")) {
            assertEquals("plain", kernelsOf(device));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"plain", "plain,threads=1", "threads=2,plain"})
    void argumentsChooseTheKernels(String argument) {
        try (Device device = new HostDeviceProvider().open(argument)) {
            assertEquals("plain", kernelsOf(device));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"fast", "plain,", ",", "threads=0", "threads=x", "threads=", "threads=99999"})
    void anUnknownArgumentIsRefused(String argument) {
        HostDeviceProvider provider = new HostDeviceProvider();
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, () -> provider.open(argument));
        assertTrue(refusal.getMessage().contains("accepted"), refusal.getMessage());
    }

    private static String kernelsOf(Device device) {
        CacheGeometry geometry = new CacheGeometry(1, 2, 1, 8, 16, ElementType.F32);
        return device.kernels(geometry, device.allocate(Tier.DEVICE, geometry.blockBytes()))
                .name();
    }
}
