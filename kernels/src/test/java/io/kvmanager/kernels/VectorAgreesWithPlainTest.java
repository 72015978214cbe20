package io.kvmanager.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.Role;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Long contexts, where ranges are cut and merged: vector is like plain, and the same for any number of threads. */
class VectorAgreesWithPlainTest {
    private static final int TOKENS = 9_001;
    private static final int HEAD_SIZE = 32;
    private static final double TOLERANCE = 3e-6;
    private static final long SEED = 7;

    @ParameterizedTest
    @EnumSource(ElementType.class)
    void onLongContexts(ElementType type) {
        float[] plain = attend("plain,threads=2", type);
        float[] one = attend("vector,threads=1", type);
        float[] two = attend("vector,threads=2", type);
        float[] three = attend("vector,threads=3", type);
        for (int i = 0; i < plain.length; i++) {
            assertEquals(plain[i], one[i], TOLERANCE * Math.max(1, Math.abs(plain[i])), "seed " + SEED + " index " + i);
        }
        assertArrayEquals(one, two, "two threads");
        assertArrayEquals(one, three, "three threads");
    }

    /** Weights, masses, log-sum-exps and outputs, one behind the other. */
    static float[] attend(String argument, ElementType type) {
        CacheGeometry geometry = new CacheGeometry(1, 3, 1, HEAD_SIZE, 16, type);
        SplittableRandom random = new SplittableRandom(SEED);
        try (Device device = new HostDeviceProvider().open(argument)) {
            int blocks = geometry.blocksFor(TOKENS);
            AttentionKernels kernels =
                    device.kernels(geometry, device.allocate(Tier.DEVICE, 2L * blocks * geometry.blockBytes()));
            MemorySegment keyTable = device.allocate(Tier.DEVICE, 4L * blocks);
            MemorySegment valueTable = device.allocate(Tier.DEVICE, 4L * blocks);
            for (int block = 0; block < blocks; block++) {
                keyTable.setAtIndex(ValueLayout.JAVA_INT, block, 2 * block + 1);
                valueTable.setAtIndex(ValueLayout.JAVA_INT, block, 2 * (blocks - 1 - block));
            }
            MemorySegment rows = random(device, TOKENS * geometry.keyValueRowElements(), 1, random);
            kernels.append(Role.KEY, keyTable, 0, rows, TOKENS);
            kernels.append(Role.VALUE, valueTable, 0, random(device, TOKENS * HEAD_SIZE, 1, random), TOKENS);
            AttentionWorkspace workspace = new AttentionWorkspace(device, geometry, TOKENS);
            MemorySegment q = random(device, geometry.queryRowElements(), 2, random);
            MemorySegment out = device.allocate(Tier.DEVICE, q.byteSize());
            kernels.scores(q, keyTable, TOKENS, workspace);
            workspace.tiles().addBlocks(geometry, valueTable, blocks);
            kernels.values(workspace.weights(), workspace.maxTokens(), workspace.tiles(), out, false);
            return joined(workspace.weights(), workspace.mass(), workspace.logSumExp(), out);
        }
    }

    private static MemorySegment random(Device device, int elements, float limit, SplittableRandom random) {
        MemorySegment memory = device.allocate(Tier.DEVICE, 4L * elements);
        for (int i = 0; i < elements; i++) {
            memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, limit * (2 * (float) random.nextDouble() - 1));
        }
        return memory;
    }

    private static float[] joined(MemorySegment... parts) {
        int length = 0;
        for (MemorySegment part : parts) {
            length += (int) (part.byteSize() / 4);
        }
        float[] all = new float[length];
        int at = 0;
        for (MemorySegment part : parts) {
            float[] elements = part.toArray(ValueLayout.JAVA_FLOAT);
            System.arraycopy(elements, 0, all, at, elements.length);
            at += elements.length;
        }
        return all;
    }
}
