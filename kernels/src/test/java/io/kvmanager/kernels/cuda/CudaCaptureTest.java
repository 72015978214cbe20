package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Compensation;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.TileResidency;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Steps that are launched or captured: nobody waits, nothing is allocated, and a replay reads what is true by then. */
@Tag(EmulatedDriver.TAG)
class CudaCaptureTest {
    private static final int TOKENS = 40;

    /** A decode step of one layer whose old V blocks are in homes. */
    private static final class Step implements AutoCloseable {
        final OpenCuda cuda = new OpenCuda();
        final AttentionWorkspace workspace = new AttentionWorkspace(cuda.device, OpenCuda.GEOMETRY, TOKENS);
        final IntTable keys = table(TOKENS / 4);
        final IntTable values = table(TOKENS / 4);
        final IntTable homes = table(TOKENS / 4);
        final IntTable counts = table(2);
        final DeviceCount slots = new DeviceCount(counts, 0, TOKENS);
        final DeviceCount blocks = new DeviceCount(counts, 1, TOKENS / 4);
        final FetchTally tally = new FetchTally(
                cuda.device,
                OpenCuda.GEOMETRY,
                cuda.device.allocate(Tier.DEVICE, FetchTally.counterBytes(OpenCuda.GEOMETRY)));
        final MemorySegment q = cuda.floats(new float[OpenCuda.GEOMETRY.queryRowElements()]);
        final MemorySegment k = cuda.floats(new float[OpenCuda.GEOMETRY.keyValueRowElements()]);
        final MemorySegment out = cuda.floats(new float[OpenCuda.GEOMETRY.queryRowElements()]);
        final TileResidency residency;

        Step() {
            MemorySegment store = cuda.device.allocate(Tier.HOST, 10L * OpenCuda.GEOMETRY.blockBytes());
            residency = cuda.device.tileResidency(
                    cuda.kernels,
                    new TileResidency.Request(
                            OpenCuda.GEOMETRY,
                            new ValueSelection.TopN(2),
                            Compensation.NONE,
                            store,
                            10,
                            List.of(60, 61, 62)));
            for (int block = 0; block < TOKENS / 4; block++) {
                cuda.fill(block, 0);
                cuda.fill(20 + block, block);
                cuda.kernels.store(20 + block, store, (long) block * OpenCuda.GEOMETRY.blockBytes());
                keys.set(block, block);
                values.set(block, block < 5 ? -1 : 20 + block);
                homes.set(block, block < 5 ? block : -1);
            }
        }

        private IntTable table(int entries) {
            return cuda.device.table(cuda.device.allocate(Tier.DEVICE, 4L * entries));
        }

        void length(int tokens) {
            slots.set(tokens);
            blocks.set(OpenCuda.GEOMETRY.blocksFor(tokens));
        }

        void launch() {
            cuda.kernels.append(Role.KEY, keys.memory(), slots, k, 1);
            cuda.kernels.scores(q, keys.memory(), slots, workspace);
            residency.select(workspace, blocks, values, homes, tally);
            cuda.kernels.values(workspace.weights(), workspace.maxTokens(), workspace.tiles(), out, false);
            cuda.kernels.renormalise(OpenCuda.GEOMETRY, workspace, blocks, out);
        }

        float read(MemorySegment memory) {
            float[] number = new float[1];
            cuda.device.read(memory, 0, MemorySegment.ofArray(number), 4);
            return number[0];
        }

        @Override
        public void close() {
            cuda.close();
        }
    }

    @Test
    void nobodyWaitsInAStep() {
        try (Step step = new Step()) {
            step.length(30);
            step.cuda.device.synchronize();
            long waits = step.cuda.driver.count("synchronisations");
            for (int tokens = 30; tokens < TOKENS; tokens++) {
                step.length(tokens);
                step.launch();
            }
            assertEquals(waits, step.cuda.driver.count("synchronisations"));
            assertTrue(step.tally.report(0).tilesMissed() > 0, "nothing was fetched");
        }
    }

    @Test
    void launchingAllocatesNothing() {
        try (Step step = new Step()) {
            for (int i = 0; i < 50; i++) {
                step.length(20 + i % 20);
                step.launch();
            }
            var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
            long before = threads.getCurrentThreadAllocatedBytes();
            long overhead = threads.getCurrentThreadAllocatedBytes() - before;
            before = threads.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < 20; i++) {
                step.length(20 + i);
                step.launch();
            }
            long allocated = threads.getCurrentThreadAllocatedBytes() - before - overhead;
            assertEquals(0, allocated, "bytes in 20 steps");
        }
    }

    @Test
    void aReplayReadsTheCountsAndTablesOfItsTime() {
        try (Step captured = new Step()) {
            captured.length(21);
            Device.Recording recording = captured.cuda.device.record(captured::launch);
            assertEquals(0, captured.read(captured.out), "a capture runs nothing");
            long launches = captured.cuda.driver.count("graph_launches");
            for (int tokens = 21; tokens <= TOKENS; tokens++) {
                captured.length(tokens);
                if (tokens == 30) {
                    captured.values.set(7, 20);
                    captured.residency.invalidate(2);
                }
                recording.launch();
                float replayed = captured.read(captured.out);
                captured.launch();
                assertEquals(captured.read(captured.out), replayed, "tokens " + tokens);
                assertEquals((float) -Math.log(1.0 / tokens), captured.read(captured.workspace.logSumExp()), 1e-5);
            }
            assertEquals(launches + 20, captured.cuda.driver.count("graph_launches"));
            recording.close();
            recording.close();
            assertThrows(IllegalStateException.class, recording::launch);
        }
    }

    @Test
    void whatCannotBeCapturedIsRefusedAndTheDeviceGoesOn() {
        try (Step step = new Step();
                Arena arena = Arena.ofConfined()) {
            step.length(20);
            CudaDevice device = step.cuda.device;
            MemorySegment row = arena.allocate(4L * OpenCuda.GEOMETRY.queryRowElements(), 64);
            IllegalArgumentException refusal = assertThrows(
                    IllegalArgumentException.class,
                    () -> device.record(() -> device.exchange().queries(row)));
            assertTrue(refusal.getMessage().startsWith("q lies in host memory"), refusal.getMessage());
            List<Runnable> refused = List.of(
                    device::synchronize,
                    () -> device.write(row, step.out, 0, 4),
                    () -> device.read(step.out, 0, row, 4),
                    () -> device.allocate(Tier.DEVICE, 4),
                    () -> device.record(step::launch),
                    () -> step.keys.fill(0, 10, 0));
            for (int i = 0; i < refused.size() - 1; i++) {
                Runnable work = refused.get(i);
                assertThrows(IllegalStateException.class, () -> device.record(work), "work " + i);
            }
            step.launch();
            device.synchronize();
        }
    }
}
