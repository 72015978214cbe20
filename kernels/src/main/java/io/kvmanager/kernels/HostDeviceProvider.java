package io.kvmanager.kernels;

import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceProvider;
import io.kvmanager.spi.Usability;

/**
 * The host device: this process's memory and its processors. Arguments, joined by commas:
 *
 * <pre>
 * plain | vector   which kernels; vector if it can run and nothing is named
 * threads=N        threads of its own; the shared group of the process if not given
 * </pre>
 */
public final class HostDeviceProvider implements DeviceProvider {

    @Override
    public String name() {
        return "host";
    }

    @Override
    public int priority() {
        return 0;
    }

    @Override
    public Usability probe() {
        return new Usability.Usable(HostArgument.parse("").choose().description());
    }

    @Override
    public Device open(String argument) {
        return HostDevice.open(HostArgument.parse(argument));
    }
}
