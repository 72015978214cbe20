package io.kvmanager.kernels.cuda;

import io.kvmanager.spi.Device;
import io.kvmanager.testing.AttentionKernelsContract;
import io.kvmanager.testing.BlockCopyContract;
import io.kvmanager.testing.DeviceContract;
import io.kvmanager.testing.ShadowContract;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;

/** What every device does, on a CUDA device. Subclasses say which driver is behind it. */
abstract class CudaSuite {

    /** Before a test: skips it if the driver is not there. */
    abstract void prepare();

    /** After a test, with every device closed. */
    abstract void checkNothingIsLeft();

    @BeforeEach
    void before() {
        prepare();
    }

    @AfterEach
    void after() {
        checkNothingIsLeft();
    }

    private static Device device() {
        return new CudaDeviceProvider().open("0");
    }

    @Nested
    class Memory extends DeviceContract {
        @Override
        protected Device openDevice() {
            return device();
        }
    }

    @Nested
    class Attention extends AttentionKernelsContract {
        @Override
        protected Device openDevice() {
            return device();
        }
    }

    @Nested
    class Shadows extends ShadowContract {
        @Override
        protected Device openDevice() {
            return device();
        }
    }

    @Nested
    class Copies extends BlockCopyContract {
        @Override
        protected Device openDevice() {
            return device();
        }
    }
}
