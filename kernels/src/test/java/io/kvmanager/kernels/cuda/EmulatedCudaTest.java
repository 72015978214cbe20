package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Tag;

/** The contract suites on the emulated driver. */
@Tag(EmulatedDriver.TAG)
class EmulatedCudaTest extends CudaSuite {
    private EmulatedDriver driver;

    @Override
    void prepare() {
        driver = EmulatedDriver.fresh();
    }

    @Override
    void checkNothingIsLeft() {
        if (driver != null) {
            assertEquals("", driver.failure());
            assertEquals("", driver.live());
        }
    }
}
