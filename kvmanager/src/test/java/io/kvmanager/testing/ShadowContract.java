package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.ShadowLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What a device computes for shadows and bounds, compared with {@link ReferenceShadow}. Subclasses say which device.
 */
public abstract class ShadowContract {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final int BLOCKS = 11;

    /** A device of its own for one test. */
    protected abstract Device openDevice();

    static List<KernelCase> cases() {
        return KernelCase.all().stream()
                .filter(of -> of.blockTokens() > 1 && of.seed() % 2 == 0)
                .toList();
    }

    /** Blocks of V, their shadows and reaches. */
    private static final class Sealed {
        final KernelFixture fixture;
        final CacheGeometry geometry;
        final ShadowLayout layout;
        final float[] rows;
        final MemorySegment values;
        final MemorySegment codes;
        final MemorySegment ranges;
        final MemorySegment reaches;
        final double[][][] shadows; // [kvHead][slot][headSize]

        Sealed(KernelFixture fixture, int bits) {
            this.fixture = fixture;
            geometry = fixture.geometry;
            layout = new ShadowLayout(geometry, bits);
            int tokens = BLOCKS * geometry.blockTokens();
            values = fixture.table(tokens);
            rows = fixture.rows(tokens);
            Arrays.fill(rows, 0, geometry.headSize(), rows[0]); // a channel-wise odd row
            fixture.kernels.append(Role.VALUE, values, 0, fixture.floats(rows), tokens);
            codes = fixture.table(Math.ceilDiv(BLOCKS, layout.codesPerBlock()) * geometry.blockTokens());
            ranges = fixture.table(Math.ceilDiv(BLOCKS, layout.rangesPerBlock()) * geometry.blockTokens());
            reaches = fixture.poisoned(BLOCKS * geometry.kvHeads());
            shadows = new double[geometry.kvHeads()][tokens][geometry.headSize()];
            for (int block = 0; block < BLOCKS; block++) {
                fixture.kernels.quantise(
                        layout,
                        fixture.id(values, block),
                        fixture.id(codes, block / layout.codesPerBlock()),
                        block % layout.codesPerBlock(),
                        fixture.id(ranges, block / layout.rangesPerBlock()),
                        block % layout.rangesPerBlock(),
                        reaches,
                        block);
                for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
                    double[][] shadow = ReferenceShadow.of(tile(kvHead, block), geometry.elementType(), bits);
                    System.arraycopy(shadow, 0, shadows[kvHead], block * geometry.blockTokens(), shadow.length);
                }
            }
        }

        double[][] tile(int kvHead, int block) {
            double[][] tile = new double[geometry.blockTokens()][geometry.headSize()];
            for (int slot = 0; slot < tile.length; slot++) {
                int row = (block * tile.length + slot) * geometry.keyValueRowElements() + kvHead * geometry.headSize();
                for (int e = 0; e < geometry.headSize(); e++) {
                    tile[slot][e] = rows[row + e];
                }
            }
            return tile;
        }

        void assertReach(int kvHead, int block, double[][] standIn, String message) {
            double largest = 0;
            double[][] tile = tile(kvHead, block);
            for (int slot = 0; slot < tile.length; slot++) {
                double sum = 0;
                for (int e = 0; e < tile[slot].length; e++) {
                    double distance = tile[slot][e] - standIn[slot][e];
                    sum += distance * distance;
                }
                largest = Math.max(largest, Math.sqrt(sum));
            }
            float reach = fixture.read(reaches).getAtIndex(FLOAT, (long) block * geometry.kvHeads() + kvHead);
            assertTrue(reach >= largest, () -> message + ": reach " + reach + " is rounded down");
            assertEquals(largest, reach, largest * 1e-6 + 1e-37, message);
        }
    }

    private KernelFixture open(KernelCase of) {
        return new KernelFixture(openDevice(), of.geometry(), 8 * BLOCKS + 8, of.seed());
    }

    @ParameterizedTest
    @MethodSource("cases")
    void shadowsAddUpAsTheReferenceDoes(KernelCase of) {
        for (int bits : new int[] {4, 8}) {
            try (KernelFixture fixture = open(of)) {
                Sealed sealed = new Sealed(fixture, bits);
                for (int kvHead = 0; kvHead < of.kvHeads(); kvHead++) {
                    for (int block = 0; block < BLOCKS; block++) {
                        double[][] shadow = Arrays.copyOfRange(
                                sealed.shadows[kvHead], block * of.blockTokens(), (block + 1) * of.blockTokens());
                        sealed.assertReach(kvHead, block, shadow, of + ", " + bits + " bits, block " + block);
                    }
                }
                checkSums(of, fixture, sealed, bits);
            }
        }
    }

    private static void checkSums(KernelCase of, KernelFixture fixture, Sealed sealed, int bits) {
        CacheGeometry geometry = of.geometry();
        int tokens = BLOCKS * geometry.blockTokens();
        AttentionWorkspace space = new AttentionWorkspace(fixture.device, geometry, tokens);
        float[] weights = new float[geometry.queryHeads() * space.maxTokens()];
        float[] rest = new float[geometry.queryHeads() * space.maxBlocks()];
        float[] before = fixture.elements(geometry.queryRowElements(), 1);
        double[] expected = new double[before.length];
        for (int head = 0; head < geometry.queryHeads(); head++) {
            int kvHead = head / of.groupSize();
            for (int block = 0; block < BLOCKS; block++) {
                boolean unread = (block * 7 + kvHead * 3 + of.seed()) % 3 != 0;
                for (int slot = block * of.blockTokens(); slot < (block + 1) * of.blockTokens(); slot++) {
                    float weight = (float) fixture.random.nextDouble() / tokens;
                    weights[head * space.maxTokens() + slot] = weight;
                    rest[head * space.maxBlocks() + block] += unread ? weight : 0;
                    for (int e = 0; unread && e < of.headSize(); e++) {
                        expected[head * of.headSize() + e] += weight * sealed.shadows[kvHead][slot][e];
                    }
                }
            }
        }
        fixture.device.write(MemorySegment.ofArray(weights), space.weights(), 0, 4L * weights.length);
        fixture.device.write(MemorySegment.ofArray(rest), space.rest(), 0, 4L * rest.length);
        MemorySegment out = fixture.floats(before);
        fixture.kernels.shadowValues(
                sealed.layout, space, fixture.count(BLOCKS, BLOCKS), sealed.codes, sealed.ranges, out);
        MemorySegment after = fixture.read(out);
        for (int i = 0; i < expected.length; i++) {
            assertEquals(before[i] + expected[i], after.getAtIndex(FLOAT, i), 2e-6, of + ", " + bits + " bits, " + i);
        }
        assertTrue(fixture.freeBlocksUntouched(), "wrote outside of its blocks");
    }

    @ParameterizedTest
    @MethodSource("cases")
    void reachesFromZeroAndFromTheMean(KernelCase of) {
        try (KernelFixture fixture = open(of)) {
            Sealed sealed = new Sealed(fixture, 8);
            int mean = fixture.takeBlock();
            MemorySegment means = fixture.ints(mean);
            for (int block = 0; block < Math.min(BLOCKS, of.blockTokens()); block++) {
                int id = fixture.id(sealed.values, block);
                fixture.kernels.summarise(id, mean, block);
                float[] stored = fixture.readBack(Role.VALUE, means, of.blockTokens());
                fixture.kernels.reachFromMean(id, mean, block, sealed.reaches, block);
                for (int kvHead = 0; kvHead < of.kvHeads(); kvHead++) {
                    int from = (block * of.kvHeads() + kvHead) * of.headSize();
                    double[] row = new double[of.headSize()];
                    for (int e = 0; e < row.length; e++) {
                        row[e] = stored[from + e];
                    }
                    double[][] standIn = new double[of.blockTokens()][];
                    Arrays.fill(standIn, row);
                    sealed.assertReach(kvHead, block, standIn, of + ", mean of block " + block);
                }
                fixture.kernels.reach(id, sealed.reaches, block);
                for (int kvHead = 0; kvHead < of.kvHeads(); kvHead++) {
                    double[][] zero = new double[of.blockTokens()][of.headSize()];
                    sealed.assertReach(kvHead, block, zero, of + ", block " + block);
                }
            }
        }
    }
}
