package io.kvmanager.paging;

import io.kvmanager.testing.CertificateContract;
import io.kvmanager.testing.CudaAvailable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

/** Bounds and shadows on CUDA; a few heads, since on the emulated driver a kernel takes long. */
@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaCertificateTest extends CertificateContract {
    @Override
    protected String device() {
        return CudaAvailable.DEVICE;
    }

    @Override
    protected int heads() {
        return 250;
    }

    @Override
    protected int steps() {
        return 4;
    }
}
