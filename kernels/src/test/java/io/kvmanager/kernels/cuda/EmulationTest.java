package io.kvmanager.kernels.cuda;

import static io.kvmanager.kernels.cuda.SelftestProgram.DEFAULT_STREAM;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import jcuda.driver.CUdeviceptr;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The emulated driver keeps the promises that tests on top of it rely on. */
@Tag(EmulatedDriver.TAG)
class EmulationTest {
    private EmulatedDriver driver;
    private SelftestProgram program;

    @BeforeEach
    void open() {
        driver = EmulatedDriver.fresh();
        program = new SelftestProgram(driver);
    }

    @AfterEach
    void close() {
        if (program != null) {
            program.close();
        }
    }

    @Test
    void aKernelComputes() {
        CUdeviceptr source = program.upload(1, 2, 3, 4, 5);
        CUdeviceptr target = program.allocate(5);
        program.launch("scale", 1, 256, 0, DEFAULT_STREAM, source, target, 2f, 5);
        assertArrayEquals(new float[] {2, 4, 6, 8, 10}, program.download(target, 5));
        assertEquals("", driver.failure());
    }

    @Test
    void blocksSumInDynamicSharedMemory() {
        float[] ones = new float[512];
        Arrays.fill(ones, 1);
        CUdeviceptr source = program.upload(ones);
        CUdeviceptr target = program.allocate(2);
        program.launch("blockSum", 2, 256, 1024, DEFAULT_STREAM, source, target);
        assertArrayEquals(new float[] {256, 256}, program.download(target, 2), driver.failure());
    }
}
