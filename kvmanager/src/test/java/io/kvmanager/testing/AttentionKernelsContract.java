package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.Role;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What every device computes, compared with {@link ReferenceAttention} on the rounded stored values. Subclasses say
 * which device.
 *
 * <p>The tolerance is {@code (8 + headSize / 8 + sqrt(tokens))} times F32's unit, 2^-24: rounding errors of a dot
 * product grow with its length, those of a weighted sum with the square root of it.
 */
public abstract class AttentionKernelsContract {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final double UNIT = 0x1p-24;
    private static final int[] LENGTHS = {1, 15, 16, 17, 63, 64, 65, 257, 1000};
    private static final int SPARE_BLOCKS = 5;

    /** A device of its own for one case. */
    protected abstract Device openDevice();

    static List<KernelCase> allCases() {
        return KernelCase.all();
    }

    static List<KernelCase> someCases() {
        return KernelCase.some();
    }

    private KernelFixture open(KernelCase of, int tokens) {
        int blocks = 2 * of.geometry().blocksFor(tokens) + SPARE_BLOCKS;
        return new KernelFixture(openDevice(), of.geometry(), blocks, of.seed());
    }

    private static double tolerance(KernelCase of, int tokens) {
        return UNIT * (8 + of.headSize() / 8.0 + Math.sqrt(tokens));
    }

    /** K and V of a sequence, stored in scattered blocks and kept densely beside them. */
    private static final class Rows {
        final MemorySegment keyTable;
        final MemorySegment valueTable;
        final float[] k;
        final float[] v;

        Rows(KernelFixture fixture, int tokens) {
            keyTable = fixture.table(tokens);
            valueTable = fixture.table(tokens);
            k = fixture.rows(tokens);
            v = fixture.rows(tokens);
        }

        /** Stores rows from..to-1. */
        void append(KernelFixture fixture, int from, int to) {
            int row = fixture.geometry.keyValueRowElements();
            fixture.kernels.append(
                    Role.KEY, keyTable, from, fixture.floats(Arrays.copyOfRange(k, from * row, to * row)), to - from);
            fixture.kernels.append(
                    Role.VALUE,
                    valueTable,
                    from,
                    fixture.floats(Arrays.copyOfRange(v, from * row, to * row)),
                    to - from);
        }
    }

    @ParameterizedTest
    @MethodSource("allCases")
    void decodeAttendsToEveryTokenAsItGrows(KernelCase of) {
        int limit = LENGTHS[LENGTHS.length - 1];
        try (KernelFixture fixture = open(of, limit)) {
            Rows rows = new Rows(fixture, limit);
            AttentionWorkspace workspace = new AttentionWorkspace(fixture.device, of.geometry(), limit);
            int length = 0;
            for (int next : LENGTHS) {
                rows.append(fixture, length, next);
                length = next;
                fixture.poison(workspace.weights());
                fixture.poison(workspace.mass());
                checkDecode(of, fixture, rows, length, workspace, 3);
            }
            assertTrue(fixture.freeBlocksUntouched(), "wrote outside of the tables");
        }
    }

    @ParameterizedTest
    @MethodSource("someCases")
    void hugeScoresStayFinite(KernelCase of) {
        try (KernelFixture fixture = open(of, 100)) {
            Rows rows = new Rows(fixture, 100);
            rows.append(fixture, 0, 100);
            checkDecode(of, fixture, rows, 100, new AttentionWorkspace(fixture.device, of.geometry(), 100), 400);
        }
    }

    private void checkDecode(
            KernelCase of, KernelFixture fixture, Rows rows, int tokens, AttentionWorkspace space, float limit) {
        float[] q = fixture.elements(of.geometry().queryRowElements(), limit);
        CacheGeometry geometry = of.geometry();
        fixture.kernels.scores(fixture.floats(q), rows.keyTable, tokens, space);
        DeviceCount blocks = fixture.count(geometry.blocksFor(tokens), space.maxBlocks());
        fixture.kernels.list(geometry, rows.valueTable, blocks, space.tiles());
        MemorySegment written = fixture.poisoned(geometry.queryRowElements());
        fixture.kernels.values(space.weights(), space.maxTokens(), space.tiles(), written, false);
        MemorySegment out = fixture.read(written);
        MemorySegment logSumExps = fixture.read(space.logSumExp());
        MemorySegment allWeights = fixture.read(space.weights());
        MemorySegment masses = fixture.read(space.mass());
        double tolerance = tolerance(of, tokens) * Math.max(1, limit);
        for (int head = 0; head < geometry.queryHeads(); head++) {
            String where = of + " tokens " + tokens + " query head " + head;
            double[] weights = of.reference().weights(q, 0, head, rows.k, tokens);
            MemorySegment row = allWeights.asSlice(4L * head * space.maxTokens());
            checkWeights(of, row, masses.asSlice(4L * head * space.maxBlocks()), weights, tolerance, where);
            double logSumExp = of.reference().logSumExp(q, 0, head, rows.k, tokens);
            assertEquals(
                    logSumExp, logSumExps.getAtIndex(FLOAT, head), tolerance + Math.abs(logSumExp) * 2 * UNIT, where);
            double[] expected = of.reference().attend(q, 0, head, rows.k, rows.v, tokens);
            assertRow(expected, out, head, of.headSize(), tolerance, where);
        }
    }

    private static void checkWeights(
            KernelCase of, MemorySegment row, MemorySegment masses, double[] weights, double tolerance, String where) {
        int slots = of.geometry().blocksFor(weights.length) * of.blockTokens();
        for (int slot = 0; slot < slots; slot++) {
            float weight = row.getAtIndex(FLOAT, slot);
            if (slot < weights.length) {
                assertEquals(weights[slot], weight, tolerance * weights[slot] + 1e-30, where + " slot " + slot);
            } else {
                assertEquals(0f, weight, where + " padding slot " + slot);
            }
        }
        for (int block = 0; block < of.geometry().blocksFor(weights.length); block++) {
            int from = block * of.blockTokens();
            double mass = ReferenceAttention.mass(weights, from, from + of.blockTokens());
            float actual = masses.getAtIndex(FLOAT, block);
            assertEquals(mass, actual, tolerance * mass + 1e-30, where + " block " + block);
        }
    }

    private static void assertRow(
            double[] expected, MemorySegment out, int row, int headSize, double tolerance, String where) {
        for (int e = 0; e < headSize; e++) {
            float actual = out.getAtIndex(FLOAT, (long) row * headSize + e);
            assertEquals(expected[e], actual, tolerance, where + " element " + e);
        }
    }

    @ParameterizedTest
    @MethodSource("allCases")
    void valuesReadTheListedTilesAndAccumulate(KernelCase of) {
        int tokens = 301;
        try (KernelFixture fixture = open(of, tokens)) {
            Rows rows = new Rows(fixture, tokens);
            rows.append(fixture, 0, tokens);
            AttentionWorkspace space = new AttentionWorkspace(fixture.device, of.geometry(), tokens);
            float[] q = fixture.elements(of.geometry().queryRowElements(), 2);
            fixture.kernels.scores(fixture.floats(q), rows.keyTable, tokens, space);
            int blocks = of.geometry().blocksFor(tokens);
            double[][] expected = new double[of.geometry().queryHeads()][of.headSize()];
            MemorySegment written = fixture.poisoned(of.geometry().queryRowElements());
            for (int round = 0; round < 3; round++) {
                List<List<int[]>> entries = new ArrayList<>();
                for (int kvHead = 0; kvHead < of.kvHeads(); kvHead++) {
                    entries.add(new ArrayList<>());
                    int step = 1 + fixture.random.nextInt(4);
                    for (int block = fixture.random.nextInt(blocks); block < blocks; block += step) {
                        int id = fixture.id(rows.valueTable, block);
                        entries.get(kvHead).add(new int[] {block, of.geometry().tileIndex(id, kvHead)});
                        addTile(of, q, rows, tokens, kvHead, block, expected);
                    }
                }
                fixture.fill(space.tiles(), entries);
                fixture.kernels.values(space.weights(), space.maxTokens(), space.tiles(), written, round > 0);
                MemorySegment out = fixture.read(written);
                for (int head = 0; head < expected.length; head++) {
                    assertRow(
                            expected[head], out, head, of.headSize(), 4 * tolerance(of, tokens), of + " head " + head);
                }
            }
        }
    }

    private static void addTile(
            KernelCase of, float[] q, Rows rows, int tokens, int kvHead, int block, double[][] expected) {
        int from = block * of.blockTokens();
        for (int head = kvHead * of.groupSize(); head < (kvHead + 1) * of.groupSize(); head++) {
            double[] weights = of.reference().weights(q, 0, head, rows.k, tokens);
            of.reference().addValues(weights, from, from + of.blockTokens(), head, rows.v, expected[head]);
        }
    }

    @ParameterizedTest
    @MethodSource("someCases")
    void anEmptyTileListGivesZerosOrChangesNothing(KernelCase of) {
        try (KernelFixture fixture = open(of, 64)) {
            AttentionWorkspace space = new AttentionWorkspace(fixture.device, of.geometry(), 64);
            fixture.fill(space.tiles(), Collections.nCopies(of.kvHeads(), List.of()));
            int elements = of.geometry().queryRowElements();
            MemorySegment out = fixture.poisoned(elements);
            fixture.kernels.values(space.weights(), space.maxTokens(), space.tiles(), out, false);
            assertArrayEquals(new float[elements], fixture.read(out).toArray(FLOAT));
            float[] before = fixture.elements(elements, 1);
            MemorySegment same = fixture.floats(before);
            fixture.kernels.values(space.weights(), space.maxTokens(), space.tiles(), same, true);
            assertArrayEquals(before, fixture.read(same).toArray(FLOAT));
        }
    }

    @ParameterizedTest
    @MethodSource("allCases")
    void promptAttentionIsCausal(KernelCase of) {
        int[][] shapes = {{0, 1}, {0, 17}, {5, 40}, {37, 70}, {0, 150}, {200, 3}};
        int[] shape = shapes[(int) (of.seed() % shapes.length)];
        int firstSlot = shape[0];
        int rowCount = shape[1];
        int tokens = firstSlot + rowCount;
        try (KernelFixture fixture = open(of, tokens)) {
            Rows rows = new Rows(fixture, tokens);
            rows.append(fixture, 0, tokens);
            int heads = of.geometry().queryHeads();
            float[] q = fixture.elements(rowCount * of.geometry().queryRowElements(), 3);
            MemorySegment written = fixture.poisoned(q.length);
            MemorySegment logSumExps = fixture.poisoned(rowCount * heads);
            fixture.kernels.attendPrompt(
                    fixture.floats(q), rowCount, firstSlot, rows.keyTable, rows.valueTable, written, logSumExps);
            MemorySegment out = fixture.read(written);
            MemorySegment lse = fixture.read(logSumExps);
            double tolerance = 3 * tolerance(of, tokens);
            for (int row = 0; row < rowCount; row++) {
                for (int head = 0; head < heads; head++) {
                    int visible = firstSlot + row + 1;
                    String where = of + " row " + row + " of " + rowCount + " query head " + head;
                    double expected = of.reference().logSumExp(q, row, head, rows.k, visible);
                    assertEquals(expected, lse.getAtIndex(FLOAT, row * heads + head), 2 * tolerance, where);
                    double[] attended = of.reference().attend(q, row, head, rows.k, rows.v, visible);
                    assertRow(attended, out, row * heads + head, of.headSize(), tolerance, where);
                }
            }
            assertTrue(fixture.freeBlocksUntouched(), "wrote outside of the tables");
        }
    }

    @ParameterizedTest
    @MethodSource("allCases")
    void columnScoresAreTheAttentionThatRowsPay(KernelCase of) {
        int tokens = 173;
        int rowCount = 9;
        int firstSlot = (int) (of.seed() % 50);
        int count = 100 + (int) (of.seed() % 23);
        try (KernelFixture fixture = open(of, tokens)) {
            Rows rows = new Rows(fixture, tokens);
            rows.append(fixture, 0, tokens);
            int heads = of.geometry().queryHeads();
            float[] q = fixture.elements(rowCount * of.geometry().queryRowElements(), 3);
            float[] lse = new float[rowCount * heads];
            for (int i = 0; i < lse.length; i++) {
                lse[i] = (float) of.reference().logSumExp(q, i / heads, i % heads, rows.k, tokens);
            }
            float[] rowWeights = fixture.elements(rowCount, 1);
            MemorySegment written = fixture.poisoned(count);
            fixture.kernels.columnScores(
                    fixture.floats(q),
                    fixture.floats(lse),
                    fixture.floats(rowWeights),
                    rowCount,
                    rows.keyTable,
                    firstSlot,
                    count,
                    written);
            MemorySegment out = fixture.read(written);
            for (int column = 0; column < count; column++) {
                double expected = of.reference().columnScore(q, lse, rowWeights, rows.k, firstSlot + column);
                assertEquals(
                        expected, out.getAtIndex(FLOAT, column), 3 * tolerance(of, tokens), of + " column " + column);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("someCases")
    void countsInDeviceMemoryMeanTheSame(KernelCase of) {
        int tokens = 77;
        CacheGeometry geometry = of.geometry();
        try (KernelFixture fixture = open(of, tokens)) {
            Rows rows = new Rows(fixture, tokens);
            rows.append(fixture, 0, 50);
            int row = geometry.keyValueRowElements();
            DeviceCount end = fixture.count(tokens, 1000);
            MemorySegment rest = fixture.floats(Arrays.copyOfRange(rows.k, 50 * row, tokens * row));
            fixture.kernels.append(Role.KEY, rows.keyTable, end, rest, tokens - 50);
            assertArrayEquals(rows.k, fixture.readBack(Role.KEY, rows.keyTable, tokens), of.toString());
            AttentionWorkspace one = new AttentionWorkspace(fixture.device, geometry, tokens);
            AttentionWorkspace two = new AttentionWorkspace(fixture.device, geometry, tokens);
            MemorySegment q = fixture.floats(fixture.elements(geometry.queryRowElements(), 2));
            fixture.kernels.scores(q, rows.keyTable, tokens, one);
            fixture.kernels.scores(q, rows.keyTable, end, two);
            assertArrayEquals(
                    fixture.read(one.weights()).toArray(FLOAT),
                    fixture.read(two.weights()).toArray(FLOAT),
                    (float) tolerance(of, tokens),
                    of.toString());
        }
    }

    @ParameterizedTest
    @MethodSource("someCases")
    void renormalisingDividesByWhatWasRead(KernelCase of) {
        CacheGeometry geometry = of.geometry();
        try (KernelFixture fixture = open(of, 64)) {
            AttentionWorkspace space = new AttentionWorkspace(fixture.device, geometry, 64);
            int blocks = geometry.blocksFor(64);
            float[] rest = new float[geometry.queryHeads() * space.maxBlocks()];
            float[] before = fixture.elements(geometry.queryRowElements(), 1);
            float[] expected = before.clone();
            for (int head = 0; head < geometry.queryHeads(); head++) {
                double missed = 0;
                for (int block = 0; block < blocks; block++) {
                    float one = (float) (fixture.random.nextDouble() * .9 / blocks);
                    rest[head * space.maxBlocks() + block] = one;
                    missed += one;
                }
                for (int e = 0; e < of.headSize(); e++) {
                    expected[head * of.headSize() + e] /= (float) (1 - missed);
                }
            }
            fixture.device.write(MemorySegment.ofArray(rest), space.rest(), 0, 4L * rest.length);
            MemorySegment out = fixture.floats(before);
            fixture.kernels.renormalise(geometry, space, fixture.count(blocks, blocks), out);
            assertArrayEquals(expected, fixture.read(out).toArray(FLOAT), 1e-5f, of.toString());
        }
    }

    @ParameterizedTest
    @MethodSource("someCases")
    void rememberedQueriesAreReadBack(KernelCase of) {
        CacheGeometry geometry = of.geometry();
        int entries = 5;
        try (KernelFixture fixture = open(of, entries * of.groupSize())) {
            MemorySegment table = fixture.table(entries * of.groupSize());
            MemorySegment logSumExp = fixture.floats(new float[entries * geometry.queryHeads()]);
            DeviceCount end = fixture.count(1, entries);
            float[] queries = fixture.rows(entries * of.groupSize());
            float[] statistics = fixture.elements(entries * geometry.queryHeads(), 9);
            for (int entry : new int[] {3, 0, 4, 2, 1}) {
                int width = geometry.queryRowElements();
                int heads = geometry.queryHeads();
                end.set(entry + 1);
                fixture.kernels.remember(
                        geometry,
                        table,
                        logSumExp,
                        end,
                        fixture.floats(Arrays.copyOfRange(queries, entry * width, (entry + 1) * width)),
                        fixture.floats(Arrays.copyOfRange(statistics, entry * heads, (entry + 1) * heads)));
            }
            assertArrayEquals(queries, fixture.readBack(Role.QUERY, table, entries * of.groupSize()), of.toString());
            assertArrayEquals(statistics, fixture.read(logSumExp).toArray(FLOAT), of.toString());
        }
    }
}
