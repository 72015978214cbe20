package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuEventCreate;
import static jcuda.driver.JCudaDriver.cuEventDestroy;
import static jcuda.driver.JCudaDriver.cuEventRecord;
import static jcuda.driver.JCudaDriver.cuStreamWaitEvent;

import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;

/**
 * Keeps copies to host memory, which have a stream of their own, in order with everything else.
 *
 * <pre>
 * compute   ... kernel that writes a block  (produced) ..................... wait(stored) kernel that overwrites it
 * copies                              wait(produced) copy to its home (stored)
 * </pre>
 *
 * A copy starts when all that was launched before it has run: its block is complete, and nobody reads the home that it
 * replaces. Whatever may overwrite a block, or reads homes, first waits for all copies that were started: which block a
 * kernel writes is known to the device only, and a copy that matters began long before.
 */
final class StoreFence implements AutoCloseable {
    private final CudaContext context;
    private final CUevent produced = new CUevent();
    private final CUevent stored = new CUevent();
    private int events;
    private boolean outstanding;

    StoreFence(CudaContext context) {
        this.context = context;
        int flags = CUevent_flags.CU_EVENT_DISABLE_TIMING;
        context.check(cuEventCreate(produced, flags), "cuEventCreate");
        events = 1;
        try {
            context.check(cuEventCreate(stored, flags), "cuEventCreate");
            events = 2;
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Before copies to host memory: they come behind everything launched so far. */
    void beginStores() {
        context.check(cuEventRecord(produced, context.stream()), "cuEventRecord");
        context.check(cuStreamWaitEvent(context.copyStream(), produced, 0), "cuStreamWaitEvent");
        outstanding = true;
    }

    /** After them. */
    void endStores() {
        context.check(cuEventRecord(stored, context.copyStream()), "cuEventRecord");
    }

    /** Makes what is launched from here on wait for the copies that were started. */
    void await() {
        if (outstanding) {
            context.check(cuStreamWaitEvent(context.stream(), stored, 0), "cuStreamWaitEvent");
            outstanding = false;
        }
    }

    @Override
    public void close() {
        if (events > 0) {
            CudaContext.ignore(cuEventDestroy(produced), "cuEventDestroy");
        }
        if (events > 1) {
            CudaContext.ignore(cuEventDestroy(stored), "cuEventDestroy");
        }
        events = 0;
    }
}
