package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.kvmanager.spi.Usability;
import org.junit.jupiter.api.Tag;

/** The contract suites on a real driver; run by tag, where there is one. */
@Tag("gpu")
class GpuCudaTest extends CudaSuite {

    @Override
    void prepare() {
        assumeTrue(
                DriverProbe.result() instanceof Usability.Usable,
                () -> DriverProbe.result().toString());
    }

    @Override
    void checkNothingIsLeft() {
        // The driver does not say what it has given.
    }
}
