package io.kvmanager.kernels;

import io.kvmanager.spi.Device;
import io.kvmanager.testing.ShadowContract;

class PlainShadowsTest extends ShadowContract {
    @Override
    protected Device openDevice() {
        return new HostDeviceProvider().open("plain");
    }
}
