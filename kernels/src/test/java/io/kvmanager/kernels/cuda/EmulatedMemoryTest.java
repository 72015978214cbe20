package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Memory and the other resources: limits, injected failures, and what is left over. */
@Tag(EmulatedDriver.TAG)
class EmulatedMemoryTest {
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
    void whatIsNotFreedIsStillThere() {
        program.upload(1, 2, 3);
        program.hostMemory(4);
        program.stream();
        program.event();
        assertEquals("device_allocations=1 host_allocations=1 streams=1 events=1 modules=1 contexts=1", driver.live());
        assertEquals(12, driver.count("device_bytes"));
        assertEquals(16, driver.count("host_bytes"));
        program.close();
        assertEquals("", driver.live());
        program = null;
    }

    @Test
    void freshMemoryReadsAsNaN() {
        assertArrayEquals(new float[] {Float.NaN, Float.NaN}, program.download(program.allocate(2), 2));
        assertEquals(Float.NaN, SelftestProgram.floats(program.hostMemory(1), 1).get(0));
    }

    @Test
    void theDeviceHasALimit() {
        driver.set("memory_bytes", 1 << 20);
        program.allocate(1 << 17);
        long[] free = {0};
        long[] total = {0};
        SelftestProgram.check(JCudaDriver.cuMemGetInfo(free, total));
        assertEquals(1 << 20, total[0]);
        assertEquals(1 << 19, free[0]);
        assertEquals(CUresult.CUDA_ERROR_OUT_OF_MEMORY, JCudaDriver.cuMemAlloc(new CUdeviceptr(), (1 << 19) + 1));
        program.allocate(1 << 17);
    }

    @Test
    void everyKindOfAllocationCanFail() {
        int outOfMemory = CUresult.CUDA_ERROR_OUT_OF_MEMORY;
        driver.fail("device_memory", 2, outOfMemory);
        program.allocate(1);
        assertEquals(outOfMemory, JCudaDriver.cuMemAlloc(new CUdeviceptr(), 4));
        program.allocate(1);
        driver.fail("host_memory", 1, outOfMemory);
        assertEquals(outOfMemory, JCudaDriver.cuMemHostAlloc(new Pointer(), 4, 0));
        driver.fail("stream", 1, outOfMemory);
        assertEquals(outOfMemory, JCudaDriver.cuStreamCreate(new CUstream(), 0));
        driver.fail("event", 1, outOfMemory);
        assertEquals(outOfMemory, JCudaDriver.cuEventCreate(new CUevent(), 0));
        driver.fail("context", 1, outOfMemory);
        assertEquals(outOfMemory, JCudaDriver.cuDevicePrimaryCtxRetain(new CUcontext(), new CUdevice()));
        driver.fail("event", 1, outOfMemory);
        driver.fail("event", 0, outOfMemory);
        program.event();
    }

    @Test
    void aLaunchThatFailsTakesTheContextWithIt() {
        CUdeviceptr memory = program.upload(1);
        driver.fail("launch", 2, CUresult.CUDA_ERROR_LAUNCH_FAILED);
        program.launch("scale", 1, 1, 0, memory, memory, 2f, 1);
        program.launch("scale", 1, 1, 0, memory, memory, 2f, 1);
        assertEquals(CUresult.CUDA_ERROR_LAUNCH_FAILED, SelftestProgram.finish());
        assertEquals(CUresult.CUDA_ERROR_LAUNCH_FAILED, JCudaDriver.cuMemAlloc(new CUdeviceptr(), 4));
        assertTrue(driver.failure().contains("kernel scale"), driver.failure());
    }

    @Test
    void copiesKeepToOneAllocation() {
        CUdeviceptr four = program.upload(1, 2, 3, 4);
        float[] host = new float[5];
        int invalid = CUresult.CUDA_ERROR_INVALID_VALUE;
        assertEquals(invalid, JCudaDriver.cuMemcpyDtoH(Pointer.to(host), four, 17));
        assertEquals(invalid, JCudaDriver.cuMemcpyHtoD(four.withByteOffset(4), Pointer.to(host), 16));
        assertEquals(invalid, JCudaDriver.cuMemcpyDtoD(program.allocate(3), four, 16));
        assertEquals(invalid, JCudaDriver.cuMemsetD8(four.withByteOffset(-1), (byte) 0, 4));
        assertEquals(invalid, JCudaDriver.cuMemFree(four.withByteOffset(4)));
        SelftestProgram.check(JCudaDriver.cuMemcpyHtoD(four.withByteOffset(4), Pointer.to(host), 12));
        assertArrayEquals(new float[] {1, 0, 0, 0}, program.download(four, 4));
    }

    @Test
    void kernelsReadPageLockedMemory() {
        Pointer locked = program.hostMemory(2);
        FloatBuffer host = SelftestProgram.floats(locked, 2);
        host.put(0, 4).put(1, 5);
        CUdeviceptr mapped = new CUdeviceptr();
        SelftestProgram.check(JCudaDriver.cuMemHostGetDevicePointer(mapped, locked, 0));
        CUdeviceptr target = program.allocate(2);
        program.launch("scale", 1, 2, 0, mapped, target, 10f, 2);
        assertArrayEquals(new float[] {40, 50}, program.download(target, 2));
        Pointer pageable = Pointer.to(ByteBuffer.allocateDirect(8));
        assertEquals(CUresult.CUDA_ERROR_INVALID_VALUE, JCudaDriver.cuMemHostGetDevicePointer(mapped, pageable, 0));
    }

    @Test
    void aRegisteredRangeIsPageLockedUntilItIsUnregistered() {
        ByteBuffer memory = ByteBuffer.allocateDirect(8).order(ByteOrder.nativeOrder());
        memory.putFloat(0, 4).putFloat(4, 5);
        Pointer pointer = Pointer.to(memory);
        SelftestProgram.check(JCudaDriver.cuMemHostRegister(pointer, 8, 0));
        assertEquals(CUresult.CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, JCudaDriver.cuMemHostRegister(pointer, 4, 0));
        CUdeviceptr mapped = new CUdeviceptr();
        SelftestProgram.check(JCudaDriver.cuMemHostGetDevicePointer(mapped, pointer, 0));
        CUdeviceptr target = program.allocate(2);
        program.launch("scale", 1, 2, 0, mapped, target, 10f, 2);
        assertArrayEquals(new float[] {40, 50}, program.download(target, 2));
        SelftestProgram.check(JCudaDriver.cuMemHostUnregister(pointer));
        assertEquals(CUresult.CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, JCudaDriver.cuMemHostUnregister(pointer));
        program.launch("scale", 1, 2, 0, mapped, target, 10f, 2);
        assertEquals(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, SelftestProgram.finish());
    }

    @Test
    void hostCodeThatFollowsADevicePointerIsNamed() throws IOException, InterruptedException {
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        "-Djava.library.path=" + System.getProperty("java.library.path"),
                        "-Dkv.emulation=" + EmulatedDriver.folder(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:ErrorFile=/dev/null",
                        "-XX:-CreateCoredumpOnCrash",
                        HostTouchesDeviceMemory.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertNotEquals(0, child.waitFor());
        assertTrue(output.contains("cuda emulation: host code touched device memory"), output);
    }

    @Test
    void aDriverWithoutADeviceSaysSo() {
        program.close();
        program = null;
        EmulatedDriver.fresh().set("init_result", CUresult.CUDA_ERROR_NO_DEVICE);
        assertEquals(CUresult.CUDA_ERROR_NO_DEVICE, JCudaDriver.cuInit(0));
        assertEquals(CUresult.CUDA_ERROR_NOT_INITIALIZED, JCudaDriver.cuDeviceGetCount(new int[1]));
    }

    @Test
    void callsNeedAContext() throws InterruptedException {
        int[] result = {-1};
        Thread other = new Thread(() -> result[0] = JCudaDriver.cuMemAlloc(new CUdeviceptr(), 4));
        other.start();
        other.join();
        assertEquals(CUresult.CUDA_ERROR_INVALID_CONTEXT, result[0]);
    }
}
