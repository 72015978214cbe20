package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Tier;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.Role;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What every device copies and converts: rows, blocks, tiles, summaries. Subclasses say which device. */
public abstract class BlockCopyContract {
    private static final int TOKENS = 75;

    /** A device of its own for one case. */
    protected abstract Device openDevice();

    static List<KernelCase> cases() {
        return KernelCase.all();
    }

    static List<Arguments> roles() {
        List<Arguments> all = new ArrayList<>();
        for (KernelCase of : KernelCase.all()) {
            all.add(Arguments.of(of, Role.KEY));
            all.add(Arguments.of(of, Role.VALUE));
        }
        return all;
    }

    private KernelFixture open(KernelCase of) {
        int blocks = 3 * of.geometry().blocksFor(TOKENS) + 4;
        return new KernelFixture(openDevice(), of.geometry(), blocks, of.seed());
    }

    @ParameterizedTest
    @MethodSource("roles")
    void rowsComeBackRoundedOnce(KernelCase of, Role role) {
        try (KernelFixture fixture = open(of)) {
            MemorySegment table = fixture.table(TOKENS);
            float[] rows = fixture.elements(TOKENS * of.geometry().keyValueRowElements(), 1e3f);
            fixture.kernels.append(role, table, 0, fixture.floats(rows), TOKENS);
            float[] expected = new float[rows.length];
            for (int i = 0; i < rows.length; i++) {
                expected[i] = fixture.rounded(rows[i]);
            }
            assertArrayEquals(expected, fixture.readBack(role, table, TOKENS), of + " " + role);
            assertTrue(fixture.freeBlocksUntouched(), "wrote outside of the table");
        }
    }

    @ParameterizedTest
    @MethodSource("roles")
    void unwrittenSlotsReadAsZero(KernelCase of, Role role) {
        try (KernelFixture fixture = open(of)) {
            MemorySegment table = fixture.table(TOKENS);
            fixture.kernels.append(role, table, 3, fixture.floats(fixture.rows(2)), 2);
            int row = of.geometry().keyValueRowElements();
            float[] back = fixture.readBack(role, table, TOKENS);
            assertArrayEquals(new float[3 * row], Arrays.copyOf(back, 3 * row), of + " " + role);
            assertArrayEquals(
                    new float[(TOKENS - 5) * row], Arrays.copyOfRange(back, 5 * row, TOKENS * row), of + " " + role);
        }
    }

    @ParameterizedTest
    @MethodSource("roles")
    void compactMovesRowsInPlaceAndAcrossTables(KernelCase of, Role role) {
        try (KernelFixture fixture = open(of)) {
            MemorySegment table = fixture.table(TOKENS);
            MemorySegment other = fixture.table(TOKENS);
            float[] rows = fixture.rows(TOKENS);
            fixture.kernels.append(role, table, 0, fixture.floats(rows), TOKENS);
            int firstSlot = 2;
            int[] kept = fixture.random
                    .ints(TOKENS, firstSlot, TOKENS)
                    .distinct()
                    .sorted()
                    .toArray();
            int row = of.geometry().keyValueRowElements();
            float[] expected = rows.clone();
            for (int i = 0; i < kept.length; i++) {
                System.arraycopy(rows, kept[i] * row, expected, (firstSlot + i) * row, row);
            }
            int end = (firstSlot + kept.length) * row;
            fixture.kernels.compact(role, table, other, fixture.ints(kept), firstSlot, kept.length);
            float[] across = fixture.readBack(role, other, TOKENS);
            assertArrayEquals(new float[firstSlot * row], Arrays.copyOf(across, firstSlot * row), of + " " + role);
            assertArrayEquals(
                    Arrays.copyOfRange(expected, firstSlot * row, end),
                    Arrays.copyOfRange(across, firstSlot * row, end),
                    of + " " + role);
            assertArrayEquals(rows, fixture.readBack(role, table, TOKENS), of + " " + role + " source changed");
            fixture.kernels.compact(role, table, table, fixture.ints(kept), firstSlot, kept.length);
            assertArrayEquals(
                    Arrays.copyOf(expected, end),
                    Arrays.copyOf(fixture.readBack(role, table, TOKENS), end),
                    of + " " + role);
        }
    }

    @ParameterizedTest
    @MethodSource("roles")
    void aRowOfOneHeadIsCopiedAlone(KernelCase of, Role role) {
        try (KernelFixture fixture = open(of)) {
            MemorySegment table = fixture.table(TOKENS);
            float[] rows = fixture.rows(TOKENS);
            fixture.kernels.append(role, table, 0, fixture.floats(rows), TOKENS);
            int kvHead = of.kvHeads() - 1;
            int slots = of.blockTokens();
            int[] from = {TOKENS - 1, 0, TOKENS / 2};
            int[] to = {1, TOKENS - 1, TOKENS / 2 + 1};
            int row = of.geometry().keyValueRowElements();
            int element = kvHead * of.headSize();
            for (int i = 0; i < from.length; i++) {
                int fromId = fixture.id(table, from[i] / slots);
                int toId = fixture.id(table, to[i] / slots);
                fixture.kernels.copyRow(role, kvHead, fromId, from[i] % slots, toId, to[i] % slots);
                System.arraycopy(rows, from[i] * row + element, rows, to[i] * row + element, of.headSize());
            }
            assertArrayEquals(rows, fixture.readBack(role, table, TOKENS), of + " " + role);
            assertTrue(fixture.freeBlocksUntouched(), "wrote another block");
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void aSummaryIsTheMeanOfABlock(KernelCase of) {
        try (KernelFixture fixture = open(of)) {
            int slots = of.blockTokens();
            MemorySegment table = fixture.table(slots);
            MemorySegment summaries = fixture.table(slots);
            float[] rows = fixture.rows(slots);
            fixture.kernels.append(Role.VALUE, table, 0, fixture.floats(rows), slots);
            int slot = (int) (of.seed() % slots);
            fixture.kernels.summarise(fixture.id(table, 0), fixture.id(summaries, 0), slot);
            int row = of.geometry().keyValueRowElements();
            float[] back = fixture.readBack(Role.VALUE, summaries, slots);
            for (int e = 0; e < row; e++) {
                double mean = 0;
                for (int s = 0; s < slots; s++) {
                    mean += rows[s * row + e] / (double) slots;
                }
                double tolerance =
                        Math.ulp((float) mean) + (fixture.rounded((float) mean) == (float) mean ? 0 : 0x1p-8);
                assertEquals(mean, back[slot * row + e], tolerance, of + " element " + e);
            }
            Arrays.fill(back, slot * row, (slot + 1) * row, 0);
            assertArrayEquals(new float[back.length], back, of + " wrote another slot");
        }
    }

    @ParameterizedTest
    @MethodSource("roles")
    void blocksAndTilesGoToTheHostAndBack(KernelCase of, Role role) {
        try (KernelFixture fixture = open(of)) {
            int slots = of.blockTokens();
            MemorySegment table = fixture.table(slots);
            float[] rows = fixture.rows(slots);
            fixture.kernels.append(role, table, 0, fixture.floats(rows), slots);
            int id = fixture.id(table, 0);
            int blockBytes = of.geometry().blockBytes();
            MemorySegment host = fixture.device.allocate(Tier.HOST, 3L * blockBytes);
            fixture.kernels.store(id, host, blockBytes);
            assertArrayEquals(rows, fixture.readBack(role, table, slots), of + " " + role + " changed by a store");
            assertEquals(-1, host.asSlice(0, blockBytes).mismatch(MemorySegment.ofArray(new byte[blockBytes])));

            MemorySegment whole = fixture.table(slots);
            fixture.kernels.load(host, blockBytes, fixture.id(whole, 0));
            assertArrayEquals(rows, fixture.readBack(role, whole, slots), of + " " + role);

            MemorySegment copied = fixture.table(slots);
            fixture.kernels.copyBlock(id, fixture.id(copied, 0));
            assertArrayEquals(rows, fixture.readBack(role, copied, slots), of + " " + role);

            MemorySegment tiled = fixture.table(slots);
            int to = fixture.id(tiled, 0);
            for (int kvHead = 0; kvHead < of.kvHeads(); kvHead++) {
                long offset = blockBytes + (long) kvHead * of.geometry().tileBytes();
                fixture.kernels.loadTile(host, offset, of.geometry().tileIndex(to, kvHead));
            }
            assertArrayEquals(rows, fixture.readBack(role, tiled, slots), of + " " + role);
            assertTrue(fixture.freeBlocksUntouched(), "wrote another block");
        }
    }
}
