package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.TileList;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Sums over more rows than one CTA stages: in parts where there is scratch, and in one go where there is none. */
@Tag(EmulatedDriver.TAG)
class CudaValuesTest {
    private static final long SEED = 5;
    private static final int TOKENS = 480;
    private static final CacheGeometry GEOMETRY = OpenCuda.GEOMETRY;

    @Test
    void sumsAreTheSameWithScratchAndWithout() {
        SplittableRandom random = new SplittableRandom(SEED);
        try (OpenCuda cuda = new OpenCuda()) {
            AttentionWorkspace workspace = new AttentionWorkspace(cuda.device, GEOMETRY, TOKENS);
            float[] v = fill(cuda, cuda.slab, OpenCuda.BLOCKS * OpenCuda.BLOCK_FLOATS, random);
            float[] weights = fill(cuda, workspace.weights(), GEOMETRY.queryHeads() * workspace.maxTokens(), random);
            int entries = TOKENS / GEOMETRY.blockTokens();
            list(cuda, workspace.tiles(), entries);
            double[] expected = expected(v, weights, workspace.maxTokens(), entries);
            check(cuda, workspace, expected, "without scratch");
            // Zero tokens: nothing is computed, and the scratch is known from here on.
            cuda.kernels.scores(workspace.weights(), workspace.weights(), 0, workspace);
            check(cuda, workspace, expected, "with scratch");
        }
    }

    @Test
    void outputsOfSettledKvHeadsStay() {
        SplittableRandom random = new SplittableRandom(SEED);
        try (OpenCuda cuda = new OpenCuda()) {
            AttentionWorkspace workspace = new AttentionWorkspace(cuda.device, GEOMETRY, TOKENS);
            fill(cuda, cuda.slab, OpenCuda.BLOCKS * OpenCuda.BLOCK_FLOATS, random);
            fill(cuda, workspace.weights(), GEOMETRY.queryHeads() * workspace.maxTokens(), random);
            list(cuda, workspace.tiles(), TOKENS / GEOMETRY.blockTokens());
            cuda.kernels.scores(workspace.weights(), workspace.weights(), 0, workspace);
            MemorySegment scratch = workspace.scratch();
            long settled = KernelLayout.settled(GEOMETRY, scratch) - scratch.address();
            cuda.device.write(MemorySegment.ofArray(new int[] {1, 0}), scratch, settled, 8);
            float[] read = new float[GEOMETRY.queryRowElements()];
            MemorySegment out = cuda.floats(read);
            cuda.kernels.values(workspace.weights(), workspace.maxTokens(), workspace.tiles(), out, false);
            cuda.device.read(out, 0, MemorySegment.ofArray(read), 4L * read.length);
            for (int i = 0; i < read.length; i++) {
                assertEquals(i < read.length / 2, read[i] == 0, "element " + i);
            }
        }
    }

    /** Writes random floats to device memory. */
    private static float[] fill(OpenCuda cuda, MemorySegment memory, int count, SplittableRandom random) {
        float[] floats = new float[count];
        for (int i = 0; i < count; i++) {
            floats[i] = (float) random.nextDouble() - .5f;
        }
        cuda.device.write(MemorySegment.ofArray(floats), memory, 0, 4L * count);
        return floats;
    }

    /** Entry i is the tile of block i + kvHead. */
    private static void list(OpenCuda cuda, TileList tiles, int entries) {
        int[] counts = {entries, entries - 1};
        int[] blocks = new int[2 * tiles.capacity()];
        int[] ids = new int[2 * tiles.capacity()];
        for (int i = 0; i < entries; i++) {
            for (int kvHead = 0; kvHead < 2; kvHead++) {
                blocks[kvHead * tiles.capacity() + i] = i;
                ids[kvHead * tiles.capacity() + i] = GEOMETRY.tileIndex(i + kvHead, kvHead);
            }
        }
        cuda.device.write(MemorySegment.ofArray(counts), tiles.counts(), 0, 8);
        cuda.device.write(MemorySegment.ofArray(blocks), tiles.blocks(), 0, 4L * blocks.length);
        cuda.device.write(MemorySegment.ofArray(ids), tiles.tiles(), 0, 4L * ids.length);
    }

    private static double[] expected(float[] v, float[] weights, int stride, int entries) {
        double[] sums = new double[GEOMETRY.queryRowElements()];
        for (int i = 0; i < sums.length; i++) {
            int head = i / GEOMETRY.headSize();
            int kvHead = head / GEOMETRY.groupSize();
            for (int slot = 0; slot < (entries - kvHead) * GEOMETRY.blockTokens(); slot++) {
                int block = slot / GEOMETRY.blockTokens() + kvHead;
                long row = GEOMETRY.rowOffset(block, kvHead, slot % GEOMETRY.blockTokens()) / 4;
                sums[i] += (double) weights[head * stride + slot] * v[(int) row + i % GEOMETRY.headSize()];
            }
        }
        return sums;
    }

    private static void check(OpenCuda cuda, AttentionWorkspace workspace, double[] expected, String how) {
        MemorySegment out = cuda.floats(new float[expected.length]);
        for (int times = 1; times <= 2; times++) {
            cuda.kernels.values(workspace.weights(), workspace.maxTokens(), workspace.tiles(), out, times == 2);
            float[] read = new float[expected.length];
            cuda.device.read(out, 0, MemorySegment.ofArray(read), 4L * read.length);
            for (int i = 0; i < read.length; i++) {
                assertEquals(times * expected[i], read[i], 1e-4, "seed " + SEED + ", " + how + ", element " + i);
            }
        }
    }
}
