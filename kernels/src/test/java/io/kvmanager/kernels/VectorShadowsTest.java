package io.kvmanager.kernels;

import io.kvmanager.spi.Device;
import io.kvmanager.testing.ShadowContract;

class VectorShadowsTest extends ShadowContract {
    @Override
    protected Device openDevice() {
        return new HostDeviceProvider().open("vector");
    }
}
