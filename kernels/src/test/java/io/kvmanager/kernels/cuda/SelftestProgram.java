package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/** A small program on the kernels of {@code selftest/*.cu}, through JCuda as any program would use it. */
final class SelftestProgram implements AutoCloseable {
    /** The legacy default stream. */
    static final CUstream DEFAULT_STREAM = new CUstream();

    private static final List<String> ENTRIES = List.of(
            "scale",
            "scaleUnchecked",
            "copyVectors",
            "weigh",
            "addRemembered",
            "countUp",
            "lockAndCount",
            "arrivals",
            "blockSum",
            "warpSums",
            "passOn",
            "unwritten",
            "beyondShared",
            "barrierInBranch",
            "differentBarriers",
            "differentCollectives",
            "notInMask",
            "trapped",
            "shuffles",
            "votes",
            "blockVotes",
            "ownBytes",
            "readByAll",
            "readByTwoWarps",
            "addThenRead",
            "halfWarps",
            "vectors");

    private final CUdevice device = new CUdevice();
    private final CUmodule module = new CUmodule();
    private final List<CUdeviceptr> allocations = new ArrayList<>();
    private final List<Pointer> hostAllocations = new ArrayList<>();
    private final List<CUstream> streams = new ArrayList<>();
    private final List<CUevent> events = new ArrayList<>();

    /** Uses the kernels as they are. */
    SelftestProgram(EmulatedDriver driver) {
        this(driver, EmulatedDriver.folder().resolve("libselftest.so"));
    }

    /** Uses a library that was built from a changed copy of the kernels. */
    SelftestProgram(EmulatedDriver driver, Path library) {
        driver.useKernels(library);
        check(JCudaDriver.cuInit(0));
        check(JCudaDriver.cuDeviceGet(device, 0));
        CUcontext context = new CUcontext();
        check(JCudaDriver.cuDevicePrimaryCtxRetain(context, device));
        check(JCudaDriver.cuCtxSetCurrent(context));
        check(JCudaDriver.cuModuleLoadData(module, image()));
    }

    /** Only the names count: the code is what g++ made of the sources. */
    private static byte[] image() {
        StringBuilder ptx = new StringBuilder(".version 7.8\n.target sm_80\n.global .f32 remembered[3];\n");
        ENTRIES.forEach(name -> ptx.append(".visible .entry ").append(name).append("(\n"));
        return ptx.append('\0').toString().getBytes(StandardCharsets.US_ASCII);
    }

    CUdeviceptr allocate(int floats) {
        CUdeviceptr pointer = new CUdeviceptr();
        check(JCudaDriver.cuMemAlloc(pointer, 4L * floats));
        allocations.add(pointer);
        return pointer;
    }

    CUdeviceptr upload(float... values) {
        CUdeviceptr pointer = allocate(values.length);
        check(JCudaDriver.cuMemcpyHtoD(pointer, Pointer.to(values), 4L * values.length));
        return pointer;
    }

    float[] download(CUdeviceptr pointer, int floats) {
        float[] values = new float[floats];
        check(JCudaDriver.cuMemcpyDtoH(Pointer.to(values), pointer, 4L * floats));
        return values;
    }

    /** Page-locked host memory. */
    Pointer hostMemory(int floats) {
        Pointer pointer = new Pointer();
        check(JCudaDriver.cuMemHostAlloc(pointer, 4L * floats, JCudaDriver.CU_MEMHOSTALLOC_DEVICEMAP));
        hostAllocations.add(pointer);
        return pointer;
    }

    static FloatBuffer floats(Pointer host, int floats) {
        return host.getByteBuffer(0, 4L * floats).order(ByteOrder.nativeOrder()).asFloatBuffer();
    }

    /** A stream that does not wait for the default stream, nor is waited for. */
    CUstream stream() {
        return stream(CUstream_flags.CU_STREAM_NON_BLOCKING);
    }

    /** A stream that waits for the default stream, and is waited for. */
    CUstream blockingStream() {
        return stream(CUstream_flags.CU_STREAM_DEFAULT);
    }

    private CUstream stream(int flags) {
        OpenStream stream = new OpenStream();
        check(JCudaDriver.cuStreamCreate(stream, flags));
        streams.add(stream);
        return stream;
    }

    CUevent event() {
        CUevent event = new CUevent();
        check(JCudaDriver.cuEventCreate(event, 0));
        events.add(event);
        return event;
    }

    /** Launches a kernel in the default stream; arguments: CUdeviceptr, Integer, Float or a Pointer to one. */
    void launch(String name, int blocks, int threads, int sharedBytes, Object... arguments) {
        launchIn(DEFAULT_STREAM, name, blocks, threads, sharedBytes, arguments);
    }

    /** Launches a kernel in a stream. */
    void launchIn(CUstream stream, String name, int blocks, int threads, int sharedBytes, Object... arguments) {
        check(tryLaunch(stream, name, blocks, threads, sharedBytes, arguments));
    }

    /** As {@link #launchIn}, with the result of the call. */
    int tryLaunch(CUstream stream, String name, int blocks, int threads, int sharedBytes, Object... arguments) {
        Pointer[] pointers = new Pointer[arguments.length];
        for (int i = 0; i < arguments.length; i++) {
            pointers[i] = switch (arguments[i]) {
                case CUdeviceptr pointer -> Pointer.to(pointer);
                case Integer number -> Pointer.to(new int[] {number});
                case Float number -> Pointer.to(new float[] {number});
                case Pointer value -> value;
                default -> throw new IllegalArgumentException("no kernel takes " + arguments[i]);
            };
        }
        CUfunction function = function(name);
        return JCudaDriver.cuLaunchKernel(
                function, blocks, 1, 1, threads, 1, 1, sharedBytes, stream, Pointer.to(pointers), null);
    }

    CUfunction function(String name) {
        CUfunction function = new CUfunction();
        check(JCudaDriver.cuModuleGetFunction(function, module, name));
        return function;
    }

    CUmodule module() {
        return module;
    }

    /** Waits for everything that was launched; the result says whether it worked. */
    static int finish() {
        return JCudaDriver.cuCtxSynchronize();
    }

    static void check(int result) {
        assertEquals("CUDA_SUCCESS", CUresult.stringFor(result));
    }

    /** The handle of a stream that this program opened. */
    static long address(CUstream stream) {
        return ((OpenStream) stream).address();
    }

    /** The address of device memory, or of page-locked memory. */
    static long address(Pointer memory) {
        return new Address(memory).address();
    }

    /** Gives everything back; after a failed launch that is in vain, as on a real device. */
    @Override
    public void close() {
        allocations.forEach(JCudaDriver::cuMemFree);
        hostAllocations.forEach(JCudaDriver::cuMemFreeHost);
        streams.forEach(JCudaDriver::cuStreamDestroy);
        events.forEach(JCudaDriver::cuEventDestroy);
        JCudaDriver.cuModuleUnload(module);
        JCudaDriver.cuDevicePrimaryCtxRelease(device);
    }

    /** JCuda shows a handle to subclasses only. */
    private static final class OpenStream extends CUstream {
        long address() {
            return getNativePointer();
        }
    }

    /** JCuda shows an address to subclasses only. */
    private static final class Address extends Pointer {
        Address(Pointer memory) {
            super(memory);
        }

        long address() {
            return getNativePointer() + getByteOffset();
        }
    }
}
