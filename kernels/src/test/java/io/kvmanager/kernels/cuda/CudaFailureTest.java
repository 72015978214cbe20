package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.KvCacheException.DeviceFailure;
import io.kvmanager.KvCacheException.DeviceOutOfMemory;
import io.kvmanager.KvCacheException.ProviderUnusable;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.TileResidency;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import jcuda.driver.CUresult;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the driver refuses, and what is left afterwards: nothing. */
@Tag(EmulatedDriver.TAG)
class CudaFailureTest {
    private static final int MANY = 1000;

    /** Everything that a device takes over its life. */
    private static void useEverything() {
        CacheGeometry geometry = OpenCuda.GEOMETRY;
        try (CudaDevice device = CudaDevice.open(new CudaArgument(0, false));
                Arena arena = Arena.ofShared()) {
            MemorySegment slab = device.allocate(Tier.DEVICE, 8L * geometry.blockBytes());
            MemorySegment store = device.allocate(Tier.HOST, 8L * geometry.blockBytes());
            CudaKernels kernels = (CudaKernels) device.kernels(geometry, slab);
            AttentionWorkspace workspace = new AttentionWorkspace(device, geometry, 32);
            device.tileResidency(
                    kernels,
                    new TileResidency.Request(
                            geometry, new ValueSelection.TopN(1), Compensation.NONE, store, 8, List.of(6, 7)));
            MemorySegment rows = arena.allocate(4L * geometry.keyValueRowElements(), 64);
            device.exchange().queries(rows);
            device.exchange().deliver(rows);
            kernels.zero(0);
            kernels.store(0, store, 0);
            device.record(() -> kernels.zero(1)).launch();
            device.read(workspace.weights(), 0, rows, 4);
        }
    }

    /** Fails the n-th taking of something, for every n there is. */
    @ParameterizedTest
    @ValueSource(strings = {"device_memory", "host_memory", "stream", "event", "graph", "module", "context"})
    void aDeviceThatIsRefusedSomethingGivesTheRestBack(String what) {
        EmulatedDriver driver = EmulatedDriver.fresh();
        int refused = 0;
        for (int nth = 1; nth < MANY; nth++) {
            driver.fail(what, nth, CUresult.CUDA_ERROR_OUT_OF_MEMORY);
            try {
                useEverything();
                break;
            } catch (DeviceFailure e) {
                refused++;
                assertEquals("CUDA_ERROR_OUT_OF_MEMORY", e.error());
                assertFalse(e.isFinal());
                if (what.endsWith("memory")) {
                    DeviceOutOfMemory shortage = assertInstanceOf(DeviceOutOfMemory.class, e);
                    assertEquals(what.equals("host_memory") ? Tier.HOST : Tier.DEVICE, shortage.tier());
                    assertTrue(shortage.requestedBytes() > 0, shortage.getMessage());
                    assertTrue(shortage.getMessage().contains("this device holds"), shortage.getMessage());
                }
            }
            assertEquals("", driver.live(), what + " " + nth);
        }
        assertTrue(refused > 0 && refused < MANY - 1, refused + " refusals");
        assertEquals("", driver.live());
    }

    @Test
    void aDeviceThatFailedSaysSoAndCanOnlyBeClosed() {
        OpenCuda cuda = new OpenCuda();
        cuda.driver.fail("launch", 1, CUresult.CUDA_ERROR_ILLEGAL_ADDRESS);
        DeviceFailure first = assertThrows(DeviceFailure.class, () -> {
            cuda.kernels.zero(0);
            cuda.device.synchronize();
        });
        assertTrue(first.isFinal());
        assertEquals("CUDA_ERROR_ILLEGAL_ADDRESS", first.error());
        assertTrue(first.getMessage().contains(",sync"), first.getMessage());
        DeviceFailure second = assertThrows(DeviceFailure.class, () -> cuda.kernels.zero(0));
        assertTrue(second.getMessage().contains("close it"), second.getMessage());
        assertThrows(DeviceFailure.class, () -> cuda.device.allocate(Tier.DEVICE, 4));
        closeFailed(cuda);
        try (OpenCuda next = new OpenCuda()) {
            next.kernels.zero(0);
            next.device.synchronize();
        }
    }

    @Test
    void synchronousModeNamesTheKernel() {
        OpenCuda cuda = new OpenCuda(new CudaArgument(0, true));
        cuda.kernels.zero(0);
        cuda.driver.fail("launch", 1, CUresult.CUDA_ERROR_LAUNCH_FAILED);
        DeviceFailure failure = assertThrows(DeviceFailure.class, () -> cuda.kernels.copyBlock(0, 1));
        assertEquals("copy_block", failure.function());
        closeFailed(cuda);
    }

    /** A context that has failed frees nothing piece by piece; what it holds goes with it. */
    private static void closeFailed(OpenCuda cuda) {
        cuda.device.close();
        cuda.device.close();
        assertEquals(0, cuda.driver.count("contexts"));
        assertEquals(0, cuda.driver.count("host_allocations"));
    }

    @Test
    void aDeviceThatIsNotThereIsNamed() {
        EmulatedDriver.fresh();
        ProviderUnusable refusal = assertThrows(ProviderUnusable.class, () -> new CudaDeviceProvider().open("17"));
        assertTrue(refusal.getMessage().contains("cuda:17"), refusal.getMessage());
        assertTrue(refusal.getMessage().contains("accepted"), refusal.getMessage());
    }

    @Test
    void hostMemoryOfSomebodyElseIsRefused() {
        try (OpenCuda cuda = new OpenCuda();
                Arena arena = Arena.ofConfined()) {
            MemorySegment strange = arena.allocate(OpenCuda.GEOMETRY.blockBytes(), 64);
            assertThrows(IllegalArgumentException.class, () -> cuda.kernels.store(0, strange, 0));
        }
    }

    @Test
    void copiesAreCutAtTheChunksOfPinnedMemory() {
        try (OpenCuda cuda = new OpenCuda()) {
            PinnedMemory memory = new PinnedMemory(cuda.device.context(), 5 * 4096 - 7, 2 * 4096);
            assertEquals(5 * 4096, memory.bytes());
            assertEquals(100, memory.piece(memory.address(), 100));
            assertEquals(1, memory.piece(memory.address() + 2 * 4096 - 1, 100));
            assertEquals(100, memory.piece(memory.address() + 2 * 4096, 100));
            assertEquals(4096, memory.piece(memory.address() + 4 * 4096, 4096));
            memory.close();
            memory.close();
        }
    }
}
