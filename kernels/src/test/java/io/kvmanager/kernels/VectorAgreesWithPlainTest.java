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
        assertAgreement(type, 16, 0, TOLERANCE);
    }

    @ParameterizedTest
    @EnumSource(ElementType.class)
    void onBlocksLongerThanAPanel(ElementType type) {
        assertAgreement(type, 256, 0, TOLERANCE);
    }

    /** Every range finds scores that are far above those before them; scores of 200 are known to 1e-5. */
    @ParameterizedTest
    @EnumSource(ElementType.class)
    void onScoresThatRise(ElementType type) {
        assertAgreement(type, 16, 0.01f, 1e-4);
        assertAgreement(type, 256, 0.01f, 1e-4);
    }

    private static void assertAgreement(ElementType type, int blockTokens, float rise, double tolerance) {
        float[] plain = attend("plain,threads=2", type, blockTokens, rise);
        float[] one = attend("vector,threads=1", type, blockTokens, rise);
        float[] two = attend("vector,threads=2", type, blockTokens, rise);
        float[] three = attend("vector,threads=3", type, blockTokens, rise);
        for (int i = 0; i < plain.length; i++) {
            assertEquals(plain[i], one[i], tolerance * Math.max(1, Math.abs(plain[i])), "seed " + SEED + " index " + i);
        }
        assertArrayEquals(one, two, "two threads");
        assertArrayEquals(one, three, "three threads");
    }

    /**
     * Weights, masses, log-sum-exps and outputs, one behind the other.
     *
     * @param rise what each slot adds to the factor of its key
     */
    static float[] attend(String argument, ElementType type, int blockTokens, float rise) {
        CacheGeometry geometry = new CacheGeometry(1, 3, 1, HEAD_SIZE, blockTokens, type);
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
            for (int i = 0; i < TOKENS * HEAD_SIZE; i++) {
                float key = rows.getAtIndex(ValueLayout.JAVA_FLOAT, i);
                int slot = i / HEAD_SIZE;
                rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, key * (1 + rise * slot));
            }
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
