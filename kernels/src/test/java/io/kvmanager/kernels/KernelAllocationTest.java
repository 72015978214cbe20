package io.kvmanager.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.Role;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Decode steps allocate nothing once they are compiled: every shape in a JVM of its own, as in an engine, and many
 * shapes in one JVM, where what one shape taught the compiler must not leave another's vectors boxed.
 */
class KernelAllocationTest {
    private static final int TOKENS = 200;
    private static final int STEPS = 1000;
    private static final int WARM_UP_ROUNDS = 40;

    @ParameterizedTest
    @CsvSource({
        "vector, BF16, 32",
        "vector, F16, 32",
        "vector, F32, 128",
        "vector, BF16, 128",
        "vector, F32, 80",
        "vector, BF16, 80",
        "vector, BF16, 64",
        "vector, F32, 8",
        "vector, BF16, 8",
        "plain, F32, 32",
        "plain, F16, 32",
    })
    void decodeAllocatesNothing(String kernels, ElementType type, int headSize) throws Exception {
        assertAllocatesNothing(kernels, type + ":" + headSize);
    }

    @Test
    void manyShapesInOneProcessAllocateNothing() throws Exception {
        assertAllocatesNothing(
                "vector", "BF16:128", "F32:64", "F16:128", "BF16:80", "F32:8", "F32:128", "BF16:8", "BF16:32");
    }

    private static void assertAllocatesNothing(String kernels, String... shapes) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                KernelAllocationTest.class.getName(),
                kernels));
        command.addAll(List.of(shapes));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor());
        assertEquals("0", output.strip(), "bytes allocated by " + STEPS + " warm steps");
    }

    /** Prints what warm steps of the shapes allocate, bytes; arguments: kernels, then {@code type:headSize}. */
    public static void main(String[] arguments) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (Device device = new HostDeviceProvider().open(arguments[0] + ",threads=1")) {
            Steps[] shapes = new Steps[arguments.length - 1];
            for (int i = 0; i < shapes.length; i++) {
                String[] shape = arguments[i + 1].split(":", -1);
                int headSize = Integer.parseInt(shape[1]);
                shapes[i] = new Steps(device, new CacheGeometry(1, 6, 2, headSize, 16, ElementType.parse(shape[0])));
            }
            long allocated = Long.MAX_VALUE;
            for (int round = 0; round < WARM_UP_ROUNDS && allocated > 0; round++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (Steps steps : shapes) {
                    steps.run();
                }
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            }
            System.out.println(allocated);
        }
    }

    /** Append, scores, values, over and over. */
    private static final class Steps {
        final AttentionKernels kernels;
        final AttentionWorkspace workspace;
        final MemorySegment table;
        final MemorySegment row;
        final MemorySegment q;
        final MemorySegment out;

        Steps(Device device, CacheGeometry geometry) {
            int blocks = geometry.blocksFor(TOKENS);
            kernels = device.kernels(geometry, device.allocate(Tier.DEVICE, (long) blocks * geometry.blockBytes()));
            workspace = new AttentionWorkspace(device, geometry, TOKENS);
            table = device.allocate(Tier.DEVICE, 4L * blocks);
            for (int block = 0; block < blocks; block++) {
                table.setAtIndex(ValueLayout.JAVA_INT, block, block);
            }
            row = device.allocate(Tier.DEVICE, 4L * geometry.keyValueRowElements());
            q = device.allocate(Tier.DEVICE, 4L * geometry.queryRowElements());
            out = device.allocate(Tier.DEVICE, 4L * geometry.queryRowElements());
            workspace.tiles().addBlocks(geometry, table, blocks);
        }

        void run() {
            for (int step = 0; step < STEPS; step++) {
                kernels.append(Role.KEY, table, step % TOKENS, row, 1);
                kernels.scores(q, table, TOKENS, workspace);
                kernels.values(workspace.weights(), workspace.maxTokens(), workspace.tiles(), out, false);
            }
        }
    }
}
