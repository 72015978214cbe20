package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuGraphDestroy;
import static jcuda.driver.JCudaDriver.cuGraphExecDestroy;
import static jcuda.driver.JCudaDriver.cuGraphInstantiate;
import static jcuda.driver.JCudaDriver.cuGraphLaunch;
import static jcuda.driver.JCudaDriver.cuStreamBeginCapture;
import static jcuda.driver.JCudaDriver.cuStreamEndCapture;

import io.kvmanager.spi.Device;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUstreamCaptureMode;

/**
 * Launches recorded as a CUDA graph. What the host changes between two steps is not in it: table entries, freed homes
 * and copies to host memory are brought in order ahead of every launch.
 */
final class CudaRecording implements Device.Recording {
    private final CudaDevice device;
    private final CUgraphExec graph;
    private boolean closed;

    private CudaRecording(CudaDevice device, CUgraphExec graph) {
        this.device = device;
        this.graph = graph;
    }

    static CudaRecording of(CudaDevice device, Runnable launches) {
        CudaContext context = device.context();
        context.check(
                cuStreamBeginCapture(context.stream(), CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                "cuStreamBeginCapture");
        context.capturing(true);
        boolean complete = false;
        CUgraph captured = new CUgraph();
        int ended;
        try {
            launches.run();
            complete = true;
        } finally {
            context.capturing(false);
            ended = cuStreamEndCapture(context.stream(), captured);
            if (!complete && ended == 0) {
                CudaContext.ignore(cuGraphDestroy(captured), "cuGraphDestroy");
            }
        }
        context.check(ended, "cuStreamEndCapture");
        CUgraphExec graph = new CUgraphExec();
        int instantiated = cuGraphInstantiate(graph, captured, /* flags */ 0);
        CudaContext.ignore(cuGraphDestroy(captured), "cuGraphDestroy");
        context.check(instantiated, "cuGraphInstantiate");
        return new CudaRecording(device, graph);
    }

    @Override
    public void launch() {
        if (closed) {
            throw new IllegalStateException("the recording is closed");
        }
        CudaContext context = device.context();
        context.enterOutsideOfCapture("a recording");
        device.beforeReplay();
        context.check(cuGraphLaunch(graph, context.stream()), "cuGraphLaunch");
        context.launched("a recorded step");
    }

    @Override
    public void close() {
        if (!closed) {
            device.forget(this);
            free();
        }
    }

    /** Frees the graph; launches of it that still run are let finish by the driver. */
    void free() {
        if (!closed) {
            closed = true;
            CudaContext.ignore(cuGraphExecDestroy(graph), "cuGraphExecDestroy");
        }
    }
}
