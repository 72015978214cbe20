package io.kvmanager.kernels;

import io.kvmanager.spi.Device;
import io.kvmanager.testing.AttentionKernelsContract;
import io.kvmanager.testing.BlockCopyContract;
import org.junit.jupiter.api.Nested;

class VectorKernelsTest {

    @Nested
    class Attention extends AttentionKernelsContract {
        @Override
        protected Device openDevice() {
            return new HostDeviceProvider().open("vector");
        }
    }

    @Nested
    class Copies extends BlockCopyContract {
        @Override
        protected Device openDevice() {
            return new HostDeviceProvider().open("vector");
        }
    }
}
