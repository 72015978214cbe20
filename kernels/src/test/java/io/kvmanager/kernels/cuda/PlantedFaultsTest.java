package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectNestedMethod;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * Faults that were planted in the kernels or in the driver's doing, each noticed by a test of the suites: the test
 * passes without the fault and fails with it. A copy-on-write that is dropped is planted in the paging module.
 */
@Tag(EmulatedDriver.TAG)
class PlantedFaultsTest {
    private static final String CASES = "kv.cases";
    private static final String A_FEW = "1/60";
    private static final String PACKAGE = "io.kvmanager.testing.";

    private static DiscoverySelector contract(String suite, String nested, String method) {
        return selectNestedMethod(List.of(suite), nested, method, PACKAGE + "KernelCase");
    }

    private static DiscoverySelector attention(String method) {
        return contract(EmulatedCudaTest.class.getName(), CudaSuite.Attention.class.getName(), method);
    }

    @AfterEach
    void takeOut() {
        EmulatedDriver.plant(driver -> {});
    }

    @Test
    void aRemovedBarrier() throws IOException, InterruptedException {
        String before = "#pragma unroll 4\n        for (int k = 0; k < PROMPT_KEYS";
        assertNoticed(
                attention("promptAttentionIsCausal"),
                mutant("barrier", "prompt.cu", "        __syncthreads();\n" + before, before));
    }

    @Test
    void aWrongShuffleWidth() throws IOException, InterruptedException {
        assertNoticed(
                attention("promptAttentionIsCausal"),
                mutant("width", "prompt.cu", "sum, lanes, SIDE)", "sum, lanes, SIDE / 2)"));
    }

    @Test
    void aWriteOutOfBounds() throws IOException, InterruptedException {
        Path library = mutant("bounds", "rows.cu", "to[head] = statistics[head]", "to[head + 1] = statistics[head]");
        assertNoticed(attention("rememberedQueriesAreReadBack"), library);
        // With the library of a mutant, tests of other kernels pass.
        assertPasses(attention("promptAttentionIsCausal"));
    }

    @Test
    void aTableThatIsUpdatedOneStepLate() throws IOException, InterruptedException {
        String kernel = "extern \"C\" __global__ void __launch_bounds__(WARP) write_ints(const IntWrites writes) {\n";
        Path library = mutant("late", "rows.cu", kernel, """
            __device__ IntWrites late;
            extern "C" __global__ void __launch_bounds__(WARP) write_ints(const IntWrites given) {
                IntWrites writes = late;
                __syncthreads();
                if (threadIdx.x == 0) {
                    late = given;
                }
            """);
        assertNoticed(selectMethod(CudaCaptureTest.class, "aReplayReadsTheCountsAndTablesOfItsTime"), library);
    }

    @Test
    void aRemovedWaitBetweenStreams() {
        DiscoverySelector test = selectMethod(CudaOrderTest.class, "aStoredBlockMayBeOverwrittenAtOnce");
        assertPasses(test);
        EmulatedDriver.plant(driver -> {
            driver.set("drop_waits", 1);
            driver.set("lazy", 1);
        });
        assertFails(test);
    }

    private static Path mutant(String name, String file, String original, String replacement)
            throws IOException, InterruptedException {
        EmulatedDriver.fresh();
        Path sources = EmulatedDriver.sources().resolve("../../main/cuda").normalize();
        return KernelMutant.build(sources, "kernels-" + name, file, original, replacement);
    }

    private static void assertNoticed(DiscoverySelector test, Path library) {
        assertPasses(test);
        EmulatedDriver.plant(driver -> driver.useKernels(library));
        assertFails(test);
    }

    private static void assertPasses(DiscoverySelector test) {
        TestExecutionSummary summary = run(test);
        assertTrue(summary.getTestsSucceededCount() > 0, "no test ran");
        assertEquals(List.of(), summary.getFailures());
    }

    private static void assertFails(DiscoverySelector test) {
        TestExecutionSummary summary = run(test);
        assertTrue(
                summary.getTestsFailedCount() > 0, summary.getTestsSucceededCount() + " tests passed with the fault");
    }

    private static TestExecutionSummary run(DiscoverySelector test) {
        String cases = System.getProperty(CASES);
        System.setProperty(CASES, A_FEW);
        try {
            LauncherDiscoveryRequest request =
                    LauncherDiscoveryRequestBuilder.request().selectors(test).build();
            SummaryGeneratingListener listener = new SummaryGeneratingListener();
            LauncherFactory.create().execute(request, listener);
            return listener.getSummary();
        } finally {
            if (cases == null) {
                System.clearProperty(CASES);
            } else {
                System.setProperty(CASES, cases);
            }
        }
    }
}
