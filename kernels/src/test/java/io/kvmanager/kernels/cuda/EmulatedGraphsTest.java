package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.FloatBuffer;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A captured step does again what the calls did, and calls that do not belong into a capture end it. */
@Tag(EmulatedDriver.TAG)
class EmulatedGraphsTest {
    private EmulatedDriver driver;
    private SelftestProgram program;
    private CUstream stream;

    @BeforeEach
    void open() {
        driver = EmulatedDriver.fresh();
        program = new SelftestProgram(driver);
        stream = program.stream();
    }

    @AfterEach
    void close() {
        if (program != null) {
            program.close();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aReplayReadsWhatIsThereNow(boolean lazy) {
        driver.set("lazy", lazy ? 1 : 0);
        CUdeviceptr source = program.upload(1, 2);
        CUdeviceptr target = program.allocate(2);
        Pointer locked = program.hostMemory(2);
        FloatBuffer result = SelftestProgram.floats(locked, 2);
        SelftestProgram.check(SelftestProgram.finish());
        begin();
        program.launchIn(stream, "scale", 1, 2, 0, source, target, 2f, 2);
        SelftestProgram.check(JCudaDriver.cuMemcpyDtoHAsync(locked, target, 8, stream));
        CUgraphExec step = instantiate(end());
        assertEquals(Float.NaN, result.get(0), "capturing runs nothing");
        replay(step);
        assertArrayEquals(new float[] {2, 4}, new float[] {result.get(0), result.get(1)});
        SelftestProgram.check(JCudaDriver.cuMemcpyHtoD(source, Pointer.to(new float[] {5, 6}), 8));
        SelftestProgram.check(SelftestProgram.finish());
        replay(step);
        assertArrayEquals(new float[] {10, 12}, new float[] {result.get(0), result.get(1)});
        assertEquals(2, driver.count("graph_launches"));
        assertEquals(2, driver.count("launches"));
        SelftestProgram.check(JCudaDriver.cuGraphExecDestroy(step));
        assertEquals(0, driver.count("graphs"));
    }

    /** Twice the source, by a side stream that joins again, then twice that. */
    private CUgraphExec forkedStep(CUdeviceptr source, CUdeviceptr between, CUdeviceptr target, boolean joinsEarly) {
        CUstream side = program.stream();
        CUevent fork = program.event();
        CUevent join = program.event();
        begin();
        SelftestProgram.check(JCudaDriver.cuEventRecord(fork, stream));
        SelftestProgram.check(JCudaDriver.cuStreamWaitEvent(side, fork, 0));
        program.launchIn(side, "scale", 1, 1, 0, source, between, 2f, 1);
        SelftestProgram.check(JCudaDriver.cuEventRecord(join, side));
        if (joinsEarly) {
            SelftestProgram.check(JCudaDriver.cuStreamWaitEvent(stream, join, 0));
        }
        program.launchIn(stream, "scale", 1, 1, 0, between, target, 2f, 1);
        SelftestProgram.check(JCudaDriver.cuStreamWaitEvent(stream, join, 0));
        return instantiate(end());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aJoinTooLateShowsInLazyOrder(boolean joinsEarly) {
        driver.set("lazy", 1);
        CUdeviceptr source = program.upload(3);
        CUdeviceptr between = program.allocate(1);
        CUdeviceptr target = program.allocate(1);
        SelftestProgram.check(SelftestProgram.finish());
        CUgraphExec step = forkedStep(source, between, target, joinsEarly);
        int wrong = 0;
        for (int run = 0; run < 20; run++) {
            SelftestProgram.check(JCudaDriver.cuMemsetD32(between, 0, 1));
            SelftestProgram.check(SelftestProgram.finish());
            replay(step);
            wrong += program.download(target, 1)[0] == 12 ? 0 : 1;
        }
        assertEquals(joinsEarly, wrong == 0, wrong + " of 20 runs were wrong");
        SelftestProgram.check(JCudaDriver.cuGraphExecDestroy(step));
    }

    @Test
    void whatWaitsOrAllocatesEndsACapture() {
        begin();
        int refused = CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        assertEquals(refused, JCudaDriver.cuMemAlloc(new CUdeviceptr(), 16));
        assertEquals(
                CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, JCudaDriver.cuStreamEndCapture(stream, new CUgraph()));
        begin();
        assertEquals(refused, JCudaDriver.cuStreamSynchronize(stream));
        assertEquals(
                CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, JCudaDriver.cuStreamEndCapture(stream, new CUgraph()));
        CUdeviceptr target = program.allocate(1);
        begin();
        assertEquals(refused, JCudaDriver.cuMemcpyHtoD(target, Pointer.to(new float[] {1}), 4));
        assertEquals(
                CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, JCudaDriver.cuStreamEndCapture(stream, new CUgraph()));
    }

    @Test
    void aSideStreamMustJoinAgain() {
        CUstream side = program.stream();
        CUevent fork = program.event();
        CUdeviceptr memory = program.upload(1);
        begin();
        SelftestProgram.check(JCudaDriver.cuEventRecord(fork, stream));
        SelftestProgram.check(JCudaDriver.cuStreamWaitEvent(side, fork, 0));
        program.launchIn(side, "scale", 1, 1, 0, memory, memory, 2f, 1);
        assertEquals(
                CUresult.CUDA_ERROR_STREAM_CAPTURE_UNJOINED, JCudaDriver.cuStreamEndCapture(stream, new CUgraph()));
    }

    private void begin() {
        SelftestProgram.check(
                JCudaDriver.cuStreamBeginCapture(stream, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL));
    }

    private CUgraph end() {
        CUgraph graph = new CUgraph();
        SelftestProgram.check(JCudaDriver.cuStreamEndCapture(stream, graph));
        return graph;
    }

    private static CUgraphExec instantiate(CUgraph graph) {
        CUgraphExec executable = new CUgraphExec();
        SelftestProgram.check(JCudaDriver.cuGraphInstantiate(executable, graph, 0));
        SelftestProgram.check(JCudaDriver.cuGraphDestroy(graph));
        return executable;
    }

    private void replay(CUgraphExec step) {
        SelftestProgram.check(JCudaDriver.cuGraphLaunch(step, stream));
        SelftestProgram.check(JCudaDriver.cuStreamSynchronize(stream));
    }
}
