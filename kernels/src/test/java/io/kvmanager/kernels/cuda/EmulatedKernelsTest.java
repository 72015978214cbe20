package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.IntStream;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Kernels compute under the emulation what CUDA says they do, and what is wrong in one is named. */
@Tag(EmulatedDriver.TAG)
class EmulatedKernelsTest {
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
    void threadsKnowTheirPlace() {
        CUdeviceptr source = program.upload(1, 2, 3, 4, 5);
        CUdeviceptr target = program.allocate(5);
        program.launch("scale", 3, 2, 0, source, target, 2f, 5);
        assertArrayEquals(new float[] {2, 4, 6, 8, 10}, program.download(target, 5));
    }

    @Test
    void anArgumentMayBeAStructure() {
        ByteBuffer weights = ByteBuffer.allocateDirect(24).order(ByteOrder.nativeOrder());
        for (float digit : new float[] {5, 4, 3, 2, 1}) {
            weights.putFloat(digit);
        }
        weights.putShort((short) 4);
        CUdeviceptr target = program.allocate(1);
        program.launch("weigh", 1, 1, 0, Pointer.to(weights), Pointer.to(new byte[] {-3}), target);
        assertArrayEquals(new float[] {2345 - 3}, program.download(target, 1));
    }

    @Test
    void blocksSumInDynamicSharedMemory() {
        CUdeviceptr source = program.upload(ramp(512));
        CUdeviceptr target = program.allocate(2);
        program.launch("blockSum", 2, 256, 1024, source, target);
        assertArrayEquals(new float[] {255 * 128, 255 * 128 + 256 * 256}, program.download(target, 2));
    }

    @ParameterizedTest
    @CsvSource({"1,32", "16,32", "5,32", "1,16", "3,8", "8,16", "31,32", "17,16", "2,2"})
    void shufflesKeepToTheirSegments(int amount, int width) {
        CUdeviceptr target = program.allocate(128);
        program.launch("shuffles", 1, 32, 0, target, amount, width);
        float[] found = program.download(target, 128);
        for (int lane = 0; lane < 32; lane++) {
            int first = lane / width * width;
            int last = first + width - 1;
            assertEquals(first + amount % width, found[lane], "shfl, lane " + lane);
            assertEquals((lane ^ amount) <= last ? lane ^ amount : lane, found[32 + lane], "xor, lane " + lane);
            assertEquals(lane + amount <= last ? lane + amount : lane, found[64 + lane], "down, lane " + lane);
            assertEquals(lane - amount >= first ? lane - amount : lane, found[96 + lane], "up, lane " + lane);
        }
    }

    @Test
    void lanesThatLeftDoNotVote() {
        CUdeviceptr target = program.allocate(5);
        program.launch("votes", 1, 32, 0, target);
        assertArrayEquals(new float[] {0xaaaa, 8, 0, 1, Float.NaN}, program.download(target, 5), driver.failure());
    }

    @Test
    void aBarrierCounts() {
        CUdeviceptr target = program.allocate(3);
        program.launch("blockVotes", 1, 100, 0, target);
        assertArrayEquals(new float[] {34, 1, 0}, program.download(target, 3));
    }

    @Test
    void atomicsAddUp() {
        CUdeviceptr counters = program.upload(0, 0);
        CUdeviceptr sum = program.upload(0);
        program.launch("countUp", 3, 70, 0, counters, sum);
        assertArrayEquals(new float[] {105}, program.download(sum, 1));
        assertEquals(210, Float.floatToRawIntBits(program.download(counters, 2)[0]));
        assertEquals(69, Float.floatToRawIntBits(program.download(counters, 2)[1]));
    }

    @Test
    void aLockIsPassedOnAndAForgottenOneIsADeadlock() {
        CUdeviceptr lock = program.upload(0, 0);
        CUdeviceptr counter = program.upload(0);
        program.launch("lockAndCount", 2, 40, 0, lock, counter, 1);
        assertEquals(80, Float.floatToRawIntBits(program.download(counter, 1)[0]));
        program.launch("lockAndCount", 2, 40, 0, lock, counter, 0);
        expectFailure(CUresult.CUDA_ERROR_LAUNCH_FAILED, "kernel lockAndCount", "deadlock");
    }

    @Test
    void theSeedDrawsTheOrder() {
        Set<String> orders = new HashSet<>();
        for (int seed = 0; seed < 4; seed++) {
            driver.set("seed", seed);
            orders.add(Arrays.toString(arrivals()));
        }
        assertEquals(4, orders.size());
        driver.set("seed", 0);
        assertArrayEquals(ramp(192), arrivals());
    }

    private float[] arrivals() {
        CUdeviceptr next = program.upload(0);
        CUdeviceptr order = program.allocate(192);
        program.launch("arrivals", 2, 96, 0, next, order);
        return program.download(order, 192);
    }

    @Test
    void variablesOfTheModuleAreDeviceMemory() {
        CUdeviceptr variable = new CUdeviceptr();
        long[] bytes = {0};
        SelftestProgram.check(JCudaDriver.cuModuleGetGlobal(variable, bytes, program.module(), "remembered"));
        assertEquals(12, bytes[0]);
        SelftestProgram.check(JCudaDriver.cuMemcpyHtoD(variable, Pointer.to(new float[] {7, 8, 9}), 12));
        CUdeviceptr target = program.upload(1, 1, 1);
        program.launch("addRemembered", 1, 3, 0, target);
        assertArrayEquals(new float[] {8, 9, 10}, program.download(target, 3));
    }

    @Test
    void aWriteBehindTheEndIsNamed() {
        CUdeviceptr source = program.upload(1, 2, 3, 4);
        CUdeviceptr target = program.allocate(5);
        program.launch("scaleUnchecked", 1, 6, 0, source, target, 2f);
        expectFailure(
                CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
                "kernel scaleUnchecked, block (0,0,0), thread (5,0,0): writes 4 bytes",
                "0 bytes past the end of 20 bytes of device memory");
    }

    @Test
    void aMisalignedVectorIsNamed() {
        CUdeviceptr source = program.upload(ramp(64));
        CUdeviceptr target = program.allocate(16);
        program.launch("copyVectors", 1, 4, 0, source, target, 8);
        assertArrayEquals(Arrays.copyOfRange(ramp(64), 8, 24), program.download(target, 16));
        program.launch("copyVectors", 1, 4, 0, source, target, 2);
        expectFailure(CUresult.CUDA_ERROR_MISALIGNED_ADDRESS, "kernel copyVectors", "not a multiple of 16");
    }

    @Test
    void freedMemoryIsNotTouched() {
        CUdeviceptr source = program.upload(1, 2, 3, 4);
        CUdeviceptr target = program.allocate(4);
        program.launch("scale", 1, 4, 0, source, target, 2f, 4);
        SelftestProgram.check(JCudaDriver.cuMemFree(source));
        program.launch("scale", 1, 4, 0, source, target, 2f, 4);
        expectFailure(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, "kernel scale", "reads 4 bytes");
    }

    @Test
    void sharedMemoryStartsAsNaN() {
        CUdeviceptr target = program.allocate(2);
        program.launch("blockSum", 1, 2, 8, program.upload(1, 2), target);
        program.launch("unwritten", 1, 1, 8, target);
        assertArrayEquals(new float[] {Float.NaN, Float.NaN}, program.download(target, 2));
    }

    @Test
    void sharedMemoryEndsWhereItWasAskedToEnd() {
        program.launch("beyondShared", 1, 5, 16, program.allocate(5));
        expectFailure(
                CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, "kernel beyondShared", "of 16 bytes of dynamic shared memory");
    }

    @Test
    void onlySynchronisedLanesMayReadEachOther() {
        CUdeviceptr target = program.allocate(32);
        program.launch("passOn", 1, 32, 0, target, 1);
        float[] expected = ramp(33);
        expected[32] = 0;
        assertArrayEquals(Arrays.copyOfRange(expected, 1, 33), program.download(target, 32), driver.failure());
        program.launch("passOn", 1, 32, 0, target, 0);
        expectFailure(
                CUresult.CUDA_ERROR_LAUNCH_FAILED, "kernel passOn", "static shared memory", "since the last barrier");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ownBytes", "readByAll", "readByTwoWarps", "addThenRead", "halfWarps", "vectors"})
    void sharedMemoryNeedsABarrierBetweenUses(String kernel) {
        CUdeviceptr target = program.allocate(64);
        for (int seed = 0; seed < 5; seed++) {
            driver.set("seed", seed);
            program.launch(kernel, 2, 64, 0, target, 1);
            SelftestProgram.check(SelftestProgram.finish());
        }
        driver.set("seed", 0);
        program.launch(kernel, 2, 64, 0, target, 0);
        expectFailure(CUresult.CUDA_ERROR_LAUNCH_FAILED, "kernel " + kernel, "since the last barrier");
    }

    @ParameterizedTest
    @CsvSource({
        "barrierInBranch,32,deadlock",
        "differentBarriers,64,different barriers",
        "differentCollectives,32,different collectives",
        "notInMask,32,not in its own mask",
        "trapped,1,trap"
    })
    void whatNeverEndsIsNamed(String kernel, int threads, String expected) {
        program.launch(kernel, 1, threads, 0, program.allocate(32));
        int result =
                kernel.equals("trapped") ? CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION : CUresult.CUDA_ERROR_LAUNCH_FAILED;
        expectFailure(result, "kernel " + kernel, "block (0,0,0)", "sharing.cu:", expected);
    }

    @Test
    void launchesThatNoDeviceTakesAreRefused() {
        CUdeviceptr memory = program.allocate(4096);
        var stream = SelftestProgram.DEFAULT_STREAM;
        int invalid = CUresult.CUDA_ERROR_INVALID_VALUE;
        assertEquals(
                invalid, program.tryLaunch(stream, "scale", 1, 257, 0, memory, memory, 1f, 1), "__launch_bounds__");
        assertEquals(invalid, program.tryLaunch(stream, "scale", 0, 1, 0, memory, memory, 1f, 1), "no block");
        int sharedBytes = 64 << 10;
        assertEquals(invalid, program.tryLaunch(stream, "blockSum", 1, 32, sharedBytes, memory, memory));
        SelftestProgram.check(JCudaDriver.cuFuncSetAttribute(
                program.function("blockSum"),
                CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                sharedBytes));
        assertEquals(0, program.tryLaunch(stream, "blockSum", 1, 32, sharedBytes, memory, memory));
    }

    private void expectFailure(int result, String... texts) {
        assertEquals(CUresult.stringFor(result), CUresult.stringFor(SelftestProgram.finish()));
        assertFalse(driver.failure().contains("\n"));
        for (String text : texts) {
            assertTrue(driver.failure().contains(text), () -> "no \"" + text + "\" in: " + driver.failure());
        }
        // It stays with the context.
        assertEquals(CUresult.stringFor(result), CUresult.stringFor(SelftestProgram.finish()));
    }

    private static float[] ramp(int count) {
        float[] values = new float[count];
        IntStream.range(0, count).forEach(i -> values[i] = i);
        return values;
    }
}
