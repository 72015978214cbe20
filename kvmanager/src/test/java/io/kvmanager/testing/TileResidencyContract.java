package io.kvmanager.testing;

import static io.kvmanager.spi.BlockTables.ABSENT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.FetchReport;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.TileList;
import io.kvmanager.spi.ValueTier;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A device that chooses tiles by itself makes, step for step, the choices of the host device: same lists, same slots,
 * same fetches, same counts. Subclasses say which device.
 */
public abstract class TileResidencyContract {
    private static final int BLOCKS = 40;
    private static final int HOMES = 48;
    private static final int STEPS = 60;

    /** The device to compare with the host's plain kernels, as a user writes it. */
    protected abstract String device();

    /** A geometry and a selection under the seed of everything random. */
    public record Case(CacheGeometry geometry, ValueSelection selection, int slack, long seed) {}

    static List<Case> cases() {
        List<Case> cases = new ArrayList<>();
        int[][] shapes = {{4, 2, 32, 16}, {8, 1, 64, 16}, {2, 2, 8, 4}, {32, 4, 16, 16}, {3, 3, 128, 8}};
        String[] selections = {"topN(1)", "topN(3)", "topN(40)", "nucleus(0.5,6)", "nucleus(0.99,24)"};
        for (int[] shape : shapes) {
            for (String selection : selections) {
                CacheGeometry geometry = new CacheGeometry(1, shape[0], shape[1], shape[2], shape[3], ElementType.BF16);
                int seed = cases.size();
                cases.add(new Case(geometry, ValueSelection.parse(selection), seed % 4 * 3, seed));
            }
        }
        return cases;
    }

    /** One device with a slab, a tier, tables and a workspace. */
    private static final class Side implements AutoCloseable {
        final CacheGeometry geometry;
        final Device device;
        final MemorySegment slab;
        final AttentionKernels kernels;
        final ValueTier tier;
        final AttentionWorkspace workspace;
        final IntTable values;
        final IntTable homes;
        final DeviceCount blocks;
        final FetchTally tally;

        Side(String name, Case of) {
            geometry = of.geometry();
            int tiles = geometry.kvHeads() * Math.min(of.selection().maxTiles(), HOMES) + of.slack();
            int cached = Math.ceilDiv(tiles, geometry.kvHeads());
            int[] cacheBlocks = new int[cached];
            for (int i = 0; i < cached; i++) {
                cacheBlocks[i] = BLOCKS + cached - i; // in another order than their ids
            }
            device = ProviderSelection.device(name);
            slab = device.allocate(Tier.DEVICE, (long) (BLOCKS + 1 + cached) * geometry.blockBytes());
            kernels = device.kernels(geometry, slab);
            PlacementPolicy.Offloaded placement =
                    new PlacementPolicy.Offloaded(of.selection(), Compensation.NONE, 1, 64, 0, tiles);
            tier = ProviderSelection.valueTier().open(device, geometry, kernels, placement, cacheBlocks, HOMES);
            workspace = new AttentionWorkspace(device, geometry, BLOCKS * geometry.blockTokens());
            values = device.table(device.allocate(Tier.DEVICE, 4L * BLOCKS));
            homes = device.table(device.allocate(Tier.DEVICE, 4L * BLOCKS));
            blocks = new DeviceCount(device.table(device.allocate(Tier.DEVICE, 4)), 0, BLOCKS);
            tally = new FetchTally(device, geometry, device.allocate(Tier.DEVICE, FetchTally.counterBytes(geometry)));
        }

        int store(byte[] bytes) {
            device.write(MemorySegment.ofArray(bytes), slab, geometry.blockOffset(BLOCKS), bytes.length);
            assertTrue(tier.tryReserve(1));
            return tier.store(BLOCKS);
        }

        void select() {
            tier.select(workspace, blocks, values, homes, tally);
            tally.attention();
        }

        byte[] read(MemorySegment memory, long offset, int bytes) {
            byte[] copy = new byte[bytes];
            device.read(memory, offset, MemorySegment.ofArray(copy), bytes);
            return copy;
        }

        /** Counts, and each KV head's entries as {@code block, tile}. */
        List<List<Integer>> list() {
            TileList tiles = workspace.tiles();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment counts = copy(arena, tiles.counts());
                MemorySegment blockIds = copy(arena, tiles.blocks());
                MemorySegment tileIds = copy(arena, tiles.tiles());
                List<List<Integer>> all = new ArrayList<>();
                for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
                    List<Integer> entries = new ArrayList<>();
                    for (int i = 0; i < counts.getAtIndex(ValueLayout.JAVA_INT, kvHead); i++) {
                        long at = (long) kvHead * tiles.capacity() + i;
                        entries.add(blockIds.getAtIndex(ValueLayout.JAVA_INT, at));
                        entries.add(tileIds.getAtIndex(ValueLayout.JAVA_INT, at));
                    }
                    all.add(entries);
                }
                return all;
            }
        }

        private MemorySegment copy(Arena arena, MemorySegment memory) {
            MemorySegment copy = arena.allocate(memory.byteSize(), 8);
            device.read(memory, 0, copy, memory.byteSize());
            return copy;
        }

        @Override
        public void close() {
            try {
                assertEquals(List.of(), tier.audit());
            } finally {
                tier.close();
                device.close();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void everyStepMakesTheHostsChoices(Case of) {
        SplittableRandom random = new SplittableRandom(of.seed());
        try (Side host = new Side("host:plain", of);
                Side tested = new Side(device(), of)) {
            List<Integer> homes = new ArrayList<>();
            for (int i = 0; i < HOMES; i++) {
                homes.add(storeInBoth(host, tested, random));
            }
            for (int step = 0; step < STEPS; step++) {
                if (step % 9 == 8) {
                    int home = homes.remove(/* index */ random.nextInt(homes.size()));
                    host.tier.release(home);
                    tested.tier.release(home);
                    homes.add(storeInBoth(host, tested, random));
                }
                tables(host, tested, homes, random);
                masses(host, tested, random);
                host.select();
                tested.select();
                String message = of + ", step " + step;
                assertEquals(host.list(), tested.list(), message);
                assertRests(host, tested, message);
                assertEquals(counted(host.tally.report(0)), counted(tested.tally.report(0)), message);
                assertTileBytes(host, tested, message);
            }
            assertTrue(host.tally.report(0).tilesMissed() > 0, "nothing was fetched");
        }
    }

    private static int storeInBoth(Side host, Side tested, SplittableRandom random) {
        byte[] bytes = new byte[host.geometry.blockBytes()];
        random.nextBytes(bytes);
        int home = host.store(bytes);
        assertEquals(home, tested.store(bytes));
        return home;
    }

    private static void tables(Side host, Side tested, List<Integer> homes, SplittableRandom random) {
        int blocks = 1 + random.nextInt(BLOCKS);
        int first = random.nextInt(homes.size());
        for (Side side : List.of(host, tested)) {
            side.blocks.set(blocks);
        }
        for (int block = 0; block < blocks; block++) {
            boolean resident = random.nextInt(5) == 0;
            int home = resident && random.nextBoolean() ? ABSENT : homes.get((first + block) % homes.size());
            for (Side side : List.of(host, tested)) {
                side.values.set(block, resident ? block : ABSENT);
                side.homes.set(block, home);
            }
        }
    }

    /** Small multiples of a power of two, many of them equal, whose sums are exact in any order. */
    private static void masses(Side host, Side tested, SplittableRandom random) {
        int kind = random.nextInt(4);
        float[] mass = new float[host.geometry.queryHeads() * host.workspace.maxBlocks()];
        for (int i = 0; i < mass.length; i++) {
            int units = switch (kind) {
                case 0 -> random.nextInt(4);
                case 1 -> random.nextInt(512);
                case 2 -> 1;
                default -> random.nextInt(8) == 0 ? random.nextInt(100) : 0;
            };
            mass[i] = units * 0x1p-15f;
        }
        for (Side side : List.of(host, tested)) {
            side.device.write(MemorySegment.ofArray(mass), side.workspace.mass(), 0, 4L * mass.length);
        }
    }

    /** What every device counts. */
    private static List<Number> counted(FetchReport report) {
        return List.of(
                report.missedMassMean(),
                report.missedMassMax(),
                report.tilesHit(),
                report.tilesMissed(),
                report.bytesFetched());
    }

    private static void assertRests(Side host, Side tested, String message) {
        int blocks = host.blocks.value();
        int padded = Math.ceilDiv(blocks, host.geometry.blockTokens()) * host.geometry.blockTokens();
        for (int head = 0; head < host.geometry.queryHeads(); head++) {
            long row = 4L * head * host.workspace.maxBlocks();
            assertArrayEquals(
                    host.read(host.workspace.rest(), row, 4 * padded),
                    tested.read(tested.workspace.rest(), row, 4 * padded),
                    message + ", rest of query head " + head);
        }
    }

    private static void assertTileBytes(Side host, Side tested, String message) {
        for (List<Integer> entries : host.list()) {
            for (int i = 0; i < entries.size(); i += 2) {
                int tile = entries.get(i + 1);
                if (tile / host.geometry.kvHeads() > BLOCKS) {
                    long offset = host.geometry.tileOffset(tile);
                    int bytes = host.geometry.tileBytes();
                    assertArrayEquals(
                            host.read(host.slab, offset, bytes),
                            tested.read(tested.slab, offset, bytes),
                            message + ", tile " + tile);
                }
            }
        }
    }
}
