package io.kvmanager.offload;

import io.kvmanager.testing.CudaAvailable;
import io.kvmanager.testing.TileResidencyContract;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaResidencyTest extends TileResidencyContract {
    @Override
    protected String device() {
        return CudaAvailable.DEVICE;
    }
}
