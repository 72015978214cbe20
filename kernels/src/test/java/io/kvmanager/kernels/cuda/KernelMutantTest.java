package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUresult;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Faults planted in a kernel are noticed, each in its own way. */
@Tag(EmulatedDriver.TAG)
class KernelMutantTest {
    private static final float SUM = 127 * 64;

    private EmulatedDriver driver;

    @BeforeEach
    void open() {
        driver = EmulatedDriver.fresh();
    }

    @Test
    void aRemovedBarrierIsARace() throws IOException, InterruptedException {
        runWith(mutant(
                "barrier", "    __syncthreads();\n    if (threadIdx.x == 0) {\n        target[0] = sums[0]", """
                if (threadIdx.x == 0) {
                    target[0] = sums[0]\
                """));
        assertTrue(driver.failure().contains("static shared memory, which thread ("), driver.failure());
    }

    @Test
    void aWrongShuffleWidthIsAWrongSum() throws IOException, InterruptedException {
        float sum = runWith(mutant("width", "sum, lanes, 32)", "sum, lanes, 16)"));
        assertEquals("", driver.failure());
        assertTrue(sum != SUM, () -> "the sum is still " + sum);
    }

    @Test
    void aWriteTooFarIsIllegal() throws IOException, InterruptedException {
        runWith(mutant("bounds", "target[0] = sums[0]", "target[1] = sums[0]"));
        assertTrue(driver.failure().contains("0 bytes past the end of 4 bytes of device memory"), driver.failure());
    }

    @Test
    void withoutAFaultTheSumIsRight() {
        assertEquals(SUM, runWith(EmulatedDriver.folder().resolve("libselftest.so")));
        assertEquals("", driver.failure());
    }

    private static Path mutant(String name, String original, String replacement)
            throws IOException, InterruptedException {
        Path sources = EmulatedDriver.sources().resolve("selftest");
        return KernelMutant.build(sources, "selftest-" + name, "sharing.cu", original, replacement);
    }

    /** The sum of 0 to 127, or NaN if the launch failed. */
    private float runWith(Path library) {
        try (SelftestProgram program = new SelftestProgram(driver, library)) {
            float[] numbers = new float[128];
            for (int i = 0; i < numbers.length; i++) {
                numbers[i] = i;
            }
            CUdeviceptr source = program.upload(numbers);
            CUdeviceptr target = program.allocate(1);
            program.launch("warpSums", 1, 128, 0, source, target);
            return SelftestProgram.finish() == CUresult.CUDA_SUCCESS ? program.download(target, 1)[0] : Float.NaN;
        }
    }
}
