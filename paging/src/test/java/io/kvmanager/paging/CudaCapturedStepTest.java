package io.kvmanager.paging;

import io.kvmanager.testing.CapturedStepContract;
import io.kvmanager.testing.CudaAvailable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaCapturedStepTest extends CapturedStepContract {
    @Override
    protected String device() {
        return CudaAvailable.DEVICE;
    }
}
