package io.kvmanager.paging;

import io.kvmanager.testing.CudaAvailable;
import io.kvmanager.testing.LeakCheck;
import io.kvmanager.testing.PlainPyramid;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.RegisterExtension;

/** PyramidInfer's selection where the host cannot address the cache's memory. */
@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaPyramidTest {
    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    @Test
    void keepsTheRowsOfThePlainVersion() {
        PlainPyramid plain = new PlainPyramid(PlainPyramid.cosine(.4, 4), .1, 4, 16, 1.2, 1, 0);
        PyramidFidelityTest.check(CudaAvailable.DEVICE, "pyramid(d=.4,recent=.1,mincontext=16)", plain, 4, 180, leaks);
    }
}
