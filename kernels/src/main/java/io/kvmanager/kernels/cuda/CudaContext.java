package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuCtxSetCurrent;
import static jcuda.driver.JCudaDriver.cuDeviceGet;
import static jcuda.driver.JCudaDriver.cuDeviceGetName;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRelease;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRetain;
import static jcuda.driver.JCudaDriver.cuInit;
import static jcuda.driver.JCudaDriver.cuStreamCreate;
import static jcuda.driver.JCudaDriver.cuStreamDestroy;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;

import io.kvmanager.KvCacheException.DeviceFailure;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A reference to a device's primary context, which a process shares, and two streams of our own: one for everything
 * that computes, one for copies to host memory. Every result of the driver passes through {@link #check}.
 *
 * <p>The driver remembers the current context per thread. Every entry from outside calls {@link #enter}, and leaves the
 * device's primary context current.
 */
final class CudaContext implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(CudaContext.class);
    private static final int NAME_BYTES = 256;

    /** Errors that end a context. */
    private static final Set<Integer> FINAL_ERRORS = Set.of(
            CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
            CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
            CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
            CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED,
            CUresult.CUDA_ERROR_ASSERT,
            CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
            CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
            CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
            CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
            CUresult.CUDA_ERROR_INVALID_PC,
            CUresult.CUDA_ERROR_LAUNCH_FAILED);

    private final int ordinal;
    private final boolean synchronous;
    private final CUdevice device = new CUdevice();
    private final CUcontext context = new CUcontext();
    private final Raw.Stream stream = new Raw.Stream();
    private final Raw.Stream copyStream = new Raw.Stream();
    private boolean retained;
    private boolean hasStream;
    private boolean hasCopyStream;
    private boolean capturing;
    private boolean closed;
    private @Nullable DeviceFailure failure;

    private CudaContext(CudaArgument argument) {
        this.ordinal = argument.ordinal();
        this.synchronous = argument.synchronous();
    }

    /** Opens a context; the driver must have been found usable. */
    static CudaContext open(CudaArgument argument) {
        JCudaDriver.setExceptionsEnabled(false);
        CudaContext context = new CudaContext(argument);
        try {
            context.take();
            return context;
        } catch (RuntimeException e) {
            context.close();
            throw e;
        }
    }

    private void take() {
        check(cuInit(0), "cuInit");
        check(cuDeviceGet(device, ordinal), "cuDeviceGet");
        check(cuDevicePrimaryCtxRetain(context, device), "cuDevicePrimaryCtxRetain");
        retained = true;
        makeCurrent();
        check(cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING), "cuStreamCreate");
        hasStream = true;
        check(cuStreamCreate(copyStream, CUstream_flags.CU_STREAM_NON_BLOCKING), "cuStreamCreate");
        hasCopyStream = true;
    }

    /** The device's name, as its maker gave it. */
    String deviceName() {
        byte[] name = new byte[NAME_BYTES];
        check(cuDeviceGetName(name, NAME_BYTES, device), "cuDeviceGetName");
        int end = 0;
        while (end < name.length && name[end] != 0) {
            end++;
        }
        return new String(name, 0, end, StandardCharsets.US_ASCII);
    }

    /**
     * Makes the calling thread ready to work with the device.
     *
     * @throws IllegalStateException if the device is closed
     * @throws DeviceFailure if it has failed for good
     */
    void enter() {
        requireOpen();
        if (failure != null) {
            throw new DeviceFailure(failure.function(), failure.error(), true, "the device has failed; close it");
        }
        makeCurrent();
    }

    void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the device is closed");
        }
    }

    /** As {@link #enter}, and refused while a step is captured: such work would run once, and not in replays. */
    void enterOutsideOfCapture(String work) {
        enter();
        if (capturing) {
            throw new IllegalStateException(work + " cannot be captured");
        }
    }

    private void makeCurrent() {
        // Always: the engine may have made another context current, and a virtual thread may have changed its carrier.
        check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    }

    /** Turns a driver's result into an exception; what ends the context is remembered. */
    void check(int result, String function) {
        if (result == CUresult.CUDA_SUCCESS) {
            return;
        }
        boolean isFinal = FINAL_ERRORS.contains(result);
        String detail = isFinal && !synchronous
                ? "found here, caused by earlier work; device 'cuda:" + ordinal + ",sync' names the kernel"
                : "";
        DeviceFailure found = new DeviceFailure(function, CUresult.stringFor(result), isFinal, detail);
        if (isFinal && failure == null) {
            failure = found;
        }
        throw found;
    }

    /** In synchronous mode, waits for what was launched last and blames it for a failure. */
    void launched(String name) {
        if (synchronous && !capturing) {
            check(cuStreamSynchronize(stream), name);
        }
    }

    /** Waits for both streams. */
    void synchronize() {
        enterOutsideOfCapture("waiting for the device");
        check(cuStreamSynchronize(copyStream), "cuStreamSynchronize");
        check(cuStreamSynchronize(stream), "cuStreamSynchronize");
    }

    /** Everything that computes, in order. */
    Raw.Stream stream() {
        return stream;
    }

    /** Copies to host memory. */
    Raw.Stream copyStream() {
        return copyStream;
    }

    boolean capturing() {
        return capturing;
    }

    void capturing(boolean on) {
        capturing = on;
    }

    /** Readies the calling thread for calls that free things, whatever has failed before. */
    void makeCurrentForClose() {
        ignore(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    }

    /** Whether the context still takes calls that free things. */
    boolean prepareClose() {
        if (closed || !retained) {
            return false;
        }
        closed = true;
        int result = cuCtxSetCurrent(context);
        ignore(result, "cuCtxSetCurrent");
        if (hasCopyStream) {
            ignore(cuStreamSynchronize(copyStream), "cuStreamSynchronize");
        }
        if (hasStream) {
            ignore(cuStreamSynchronize(stream), "cuStreamSynchronize");
        }
        return true;
    }

    /** For calls that free things: a failure is logged, and the rest is freed all the same. */
    static void ignore(int result, String function) {
        if (result != CUresult.CUDA_SUCCESS) {
            LOG.debug("{} returned {}", function, CUresult.stringFor(result));
        }
    }

    /** Gives streams and context back; everything else must be gone. A second close does nothing. */
    @Override
    public void close() {
        closed = true;
        if (hasCopyStream) {
            hasCopyStream = false;
            ignore(cuStreamDestroy(copyStream), "cuStreamDestroy");
        }
        if (hasStream) {
            hasStream = false;
            ignore(cuStreamDestroy(stream), "cuStreamDestroy");
        }
        if (retained) {
            retained = false;
            ignore(cuDevicePrimaryCtxRelease(device), "cuDevicePrimaryCtxRelease");
        }
    }
}
