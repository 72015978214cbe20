package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandleProxies;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Streams run in the order that the program made sure of, and in lazy order in no other. */
@Tag(EmulatedDriver.TAG)
class EmulatedStreamsTest {
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

    /** One stream doubles what another has doubled. */
    private float[] twoStreams(boolean waits) {
        CUstream first = program.stream();
        CUstream second = program.stream();
        CUdeviceptr source = program.upload(1, 2);
        CUdeviceptr between = program.allocate(2);
        CUdeviceptr target = program.allocate(2);
        SelftestProgram.check(SelftestProgram.finish());
        CUevent event = program.event();
        program.launchIn(first, "scale", 1, 2, 0, source, between, 2f, 2);
        SelftestProgram.check(JCudaDriver.cuEventRecord(event, first));
        if (waits) {
            SelftestProgram.check(JCudaDriver.cuStreamWaitEvent(second, event, 0));
        }
        program.launchIn(second, "scale", 1, 2, 0, between, target, 2f, 2);
        SelftestProgram.check(JCudaDriver.cuStreamSynchronize(second));
        return program.download(target, 2);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aWaitOrdersTwoStreams(boolean lazy) {
        driver.set("lazy", lazy ? 1 : 0);
        assertArrayEquals(new float[] {4, 8}, twoStreams(true));
    }

    @Test
    void aMissingWaitShowsInLazyOrder() {
        driver.set("lazy", 1);
        assertArrayEquals(new float[] {Float.NaN, Float.NaN}, twoStreams(false));
    }

    @Test
    void aDroppedWaitShowsInLazyOrder() {
        driver.set("lazy", 1);
        driver.set("drop_waits", 1);
        assertArrayEquals(new float[] {Float.NaN, Float.NaN}, twoStreams(true));
        assertEquals(1, driver.count("dropped_waits"));
    }

    @Test
    void theDefaultStreamWaitsForBlockingStreamsOnly() {
        driver.set("lazy", 1);
        CUdeviceptr source = program.upload(3);
        SelftestProgram.check(SelftestProgram.finish());
        CUdeviceptr target = program.allocate(1);
        program.launchIn(program.stream(), "scale", 1, 1, 0, source, target, 2f, 1);
        assertArrayEquals(new float[] {Float.NaN}, program.download(target, 1));
        program.launchIn(program.blockingStream(), "scale", 1, 1, 0, source, target, 3f, 1);
        assertArrayEquals(new float[] {9}, program.download(target, 1));
    }

    @Test
    void pageableBytesAreTakenAtOnce() {
        driver.set("lazy", 1);
        CUstream stream = program.stream();
        FloatBuffer host =
                ByteBuffer.allocateDirect(4).order(ByteOrder.nativeOrder()).asFloatBuffer();
        CUdeviceptr target = program.allocate(1);
        host.put(0, 5);
        SelftestProgram.check(JCudaDriver.cuMemcpyHtoDAsync(target, Pointer.to(host), 4, stream));
        host.put(0, 6);
        SelftestProgram.check(JCudaDriver.cuStreamSynchronize(stream));
        assertArrayEquals(new float[] {5}, program.download(target, 1));
    }

    @Test
    void pageLockedBytesAreReadWhenTheCopyRuns() {
        driver.set("lazy", 1);
        CUstream stream = program.stream();
        Pointer locked = program.hostMemory(1);
        FloatBuffer host = SelftestProgram.floats(locked, 1);
        CUdeviceptr target = program.allocate(1);
        host.put(0, 5);
        SelftestProgram.check(JCudaDriver.cuMemcpyHtoDAsync(target, locked, 4, stream));
        host.put(0, 6);
        SelftestProgram.check(JCudaDriver.cuStreamSynchronize(stream));
        assertArrayEquals(new float[] {6}, program.download(target, 1));
    }

    @Test
    void resultsArriveInPageLockedMemoryOnceSomebodyWaits() {
        driver.set("lazy", 1);
        CUstream stream = program.stream();
        CUdeviceptr source = program.upload(4);
        SelftestProgram.check(SelftestProgram.finish());
        Pointer locked = program.hostMemory(1);
        FloatBuffer host = SelftestProgram.floats(locked, 1);
        SelftestProgram.check(JCudaDriver.cuMemcpyDtoHAsync(locked, source, 4, stream));
        assertEquals(Float.NaN, host.get(0));
        assertEquals(CUresult.CUDA_ERROR_NOT_READY, JCudaDriver.cuStreamQuery(stream));
        SelftestProgram.check(JCudaDriver.cuStreamQuery(stream));
        assertEquals(4, host.get(0));
    }

    @Test
    void waitingOfTheHostIsCounted() {
        CUstream stream = program.stream();
        CUdeviceptr source = program.upload(1);
        CUdeviceptr target = program.allocate(1);
        Pointer locked = program.hostMemory(1);
        CUevent event = program.event();
        SelftestProgram.check(SelftestProgram.finish());
        long before = driver.count("synchronisations");
        program.launchIn(stream, "scale", 1, 1, 0, source, target, 2f, 1);
        SelftestProgram.check(JCudaDriver.cuMemcpyDtoHAsync(locked, target, 4, stream));
        SelftestProgram.check(JCudaDriver.cuEventRecord(event, stream));
        assertEquals(before, driver.count("synchronisations"));
        SelftestProgram.check(JCudaDriver.cuEventSynchronize(event));
        assertEquals(before + 1, driver.count("synchronisations"));
        // A copy to memory that is not page-locked waits, whatever it is called.
        FloatBuffer host =
                ByteBuffer.allocateDirect(4).order(ByteOrder.nativeOrder()).asFloatBuffer();
        SelftestProgram.check(JCudaDriver.cuMemcpyDtoHAsync(Pointer.to(host), target, 4, stream));
        assertEquals(before + 2, driver.count("synchronisations"));
        assertEquals(2, host.get(0));
    }

    @Test
    void eventsTellTime() {
        CUstream stream = program.stream();
        CUevent start = program.event();
        CUevent end = program.event();
        float[] milliseconds = {-1};
        SelftestProgram.check(JCudaDriver.cuEventRecord(start, stream));
        SelftestProgram.check(JCudaDriver.cuEventRecord(end, stream));
        SelftestProgram.check(JCudaDriver.cuEventSynchronize(end));
        SelftestProgram.check(JCudaDriver.cuEventElapsedTime(milliseconds, start, end));
        assertTrue(milliseconds[0] >= 0, () -> "took " + milliseconds[0] + " ms");
    }

    /** JCuda has no call for it. Attributes of 24 bytes: how the source is read, then hints. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void aBatchReadsItsSourcesAsItWasAskedTo(int sourceOrder) {
        driver.set("lazy", 1);
        CUstream stream = program.stream();
        Pointer locked = program.hostMemory(2);
        FloatBuffer host = SelftestProgram.floats(locked, 2);
        host.put(0, 1).put(1, 2);
        CUdeviceptr target = program.allocate(2);
        try (Arena arena = Arena.ofConfined()) {
            long from = SelftestProgram.address(locked);
            long to = SelftestProgram.address(target);
            MemorySegment attributes = arena.allocate(24, 8);
            attributes.set(ValueLayout.JAVA_INT, 0, sourceOrder);
            MemorySegment targets = arena.allocateFrom(ValueLayout.JAVA_LONG, to + 4, to);
            MemorySegment sources = arena.allocateFrom(ValueLayout.JAVA_LONG, from, from + 4);
            MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_LONG, 4, 4);
            MemorySegment first = arena.allocateFrom(ValueLayout.JAVA_LONG, 0);
            MemorySegment streamHandle = MemorySegment.ofAddress(SelftestProgram.address(stream));
            SelftestProgram.check(batchCopy().call(targets, sources, bytes, 2, attributes, first, 1, streamHandle));
        }
        host.put(0, 3).put(1, 4);
        SelftestProgram.check(JCudaDriver.cuStreamSynchronize(stream));
        boolean readsWhenItRuns = sourceOrder == 1;
        assertArrayEquals(readsWhenItRuns ? new float[] {4, 3} : new float[] {2, 1}, program.download(target, 2));
    }

    /** {@code cuMemcpyBatchAsync_v2}. */
    @FunctionalInterface
    public interface BatchCopy {
        int call(
                MemorySegment targets,
                MemorySegment sources,
                MemorySegment bytes,
                long count,
                MemorySegment attributes,
                MemorySegment firstCopies,
                long attributeCount,
                MemorySegment stream);
    }

    private static BatchCopy batchCopy() {
        ValueLayout a = ValueLayout.ADDRESS;
        ValueLayout l = ValueLayout.JAVA_LONG;
        MemorySegment address = SymbolLookup.libraryLookup("libcuda.so.1", Arena.global())
                .find("cuMemcpyBatchAsync_v2")
                .orElseThrow();
        return MethodHandleProxies.asInterfaceInstance(
                BatchCopy.class,
                Linker.nativeLinker()
                        .downcallHandle(address, FunctionDescriptor.of(ValueLayout.JAVA_INT, a, a, a, l, a, a, l, a)));
    }
}
