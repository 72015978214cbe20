package io.kvmanager.offload;

import static io.kvmanager.spi.BlockTables.ABSENT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.HeadFetch;
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
import io.kvmanager.spi.TileResidency;
import io.kvmanager.testing.CudaAvailable;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * From the same masses, reaches and outputs, a device that certifies by itself makes the host's choices: round by
 * round the same lists, slots, tiles in place and counts, and in the end the same bounds, to the bit.
 */
@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaCertifiedChoiceTest {
    private static final int BLOCKS = 300;
    private static final int STEPS = 16;

    /** One device with a residency, tables and a workspace. */
    private static final class Side implements AutoCloseable {
        final CacheGeometry geometry;
        final Device device;
        final TileResidency residency;
        final AttentionWorkspace workspace;
        final IntTable values;
        final IntTable homes;
        final DeviceCount blocks;
        final MemorySegment reaches;
        final MemorySegment out;
        final FetchTally tally;

        Side(String name, CacheGeometry geometry, double epsilon, Compensation compensation, int cached) {
            this.geometry = geometry;
            device = ProviderSelection.device(name);
            long slabBytes = (long) (BLOCKS + cached) * geometry.blockBytes();
            AttentionKernels kernels = device.kernels(geometry, device.allocate(Tier.DEVICE, slabBytes));
            TileResidency.Request request = new TileResidency.Request(
                    geometry,
                    new ValueSelection.Certified(epsilon),
                    compensation,
                    device.allocate(Tier.HOST, (long) BLOCKS * geometry.blockBytes()),
                    BLOCKS,
                    IntStream.range(BLOCKS, BLOCKS + cached).boxed().toList());
            TileResidency own = device.tileResidency(kernels, request);
            residency = own != null ? own : new HostTileResidency(device, kernels, request);
            workspace = new AttentionWorkspace(device, geometry, BLOCKS * geometry.blockTokens());
            values = device.table(device.allocate(Tier.DEVICE, 4L * BLOCKS));
            homes = device.table(device.allocate(Tier.DEVICE, 4L * BLOCKS));
            blocks = new DeviceCount(device.table(device.allocate(Tier.DEVICE, 4)), 0, BLOCKS);
            reaches = device.allocate(Tier.DEVICE, 4L * BLOCKS * geometry.kvHeads());
            out = device.allocate(Tier.DEVICE, 4L * geometry.queryRowElements());
            tally = new FetchTally(device, geometry, device.allocate(Tier.DEVICE, FetchTally.counterBytes(geometry)));
        }

        int[] read(MemorySegment memory) {
            int[] copy = new int[(int) (memory.byteSize() / 4)];
            device.read(memory, 0, MemorySegment.ofArray(copy), memory.byteSize());
            return copy;
        }

        void write(float[] from, MemorySegment to) {
            device.write(MemorySegment.ofArray(from), to, 0, 4L * from.length);
        }

        /** What a KV head reads, as {@code block, tile}: in device memory, then in place. */
        List<List<Integer>> reads(int kvHead) {
            List<List<Integer>> lists = new ArrayList<>();
            for (TileList list : List.of(workspace.tiles(), workspace.inPlaceTiles())) {
                List<Integer> entries = new ArrayList<>();
                int[] listedBlocks = read(list.blocks());
                int[] listedTiles = read(list.tiles());
                for (int i = 0; i < read(list.counts())[kvHead]; i++) {
                    entries.add(listedBlocks[kvHead * list.capacity() + i]);
                    entries.add(listedTiles[kvHead * list.capacity() + i]);
                }
                lists.add(entries);
            }
            return lists;
        }

        List<List<List<Integer>>> reads() {
            return IntStream.range(0, geometry.kvHeads()).mapToObj(this::reads).toList();
        }

        @Override
        public void close() {
            try {
                int[] references = new int[BLOCKS];
                Arrays.fill(references, 1);
                assertEquals(List.of(), residency.audit(references));
            } finally {
                device.close();
            }
        }
    }

    private final List<Integer> homes =
            new ArrayList<>(IntStream.range(0, BLOCKS).boxed().toList());

    @ParameterizedTest
    @CsvSource({
        "4, 2, 32, 0.3, NONE, 40",
        "8, 1, 80, 0.03, RENORMALISE, 4",
        "6, 2, 8, 0.001, INT4, 9",
        "2, 2, 128, 0.1, MEAN, 0",
        "3, 3, 16, 1.0, RENORMALISE, 100"
    })
    void everyRoundMakesTheHostsChoices(
            int queryHeads, int kvHeads, int headSize, double epsilon, Compensation compensation, int cached) {
        CacheGeometry geometry = new CacheGeometry(1, queryHeads, kvHeads, headSize, 4, ElementType.BF16);
        SplittableRandom random = new SplittableRandom(headSize);
        try (Side host = new Side("host:plain", geometry, epsilon, compensation, cached);
                Side tested = new Side(CudaAvailable.DEVICE, geometry, epsilon, compensation, cached)) {
            int rounds = 0;
            for (int step = 0; step < STEPS; step++) {
                given(host, tested, random);
                String message = "step " + step;
                for (Side side : List.of(host, tested)) {
                    side.residency.select(side.workspace, side.blocks, side.values, side.homes, side.tally);
                    side.tally.attention();
                }
                float[] out = output(geometry, epsilon, random);
                boolean open = true;
                for (int round = 0; round < TileResidency.ROUNDS; round++) {
                    host.write(out, host.out);
                    tested.write(out, tested.out);
                    List<List<List<Integer>>> before = host.reads();
                    open = open && host.residency.refine(host.workspace, host.reaches, host.out, round, host.tally);
                    tested.residency.refine(tested.workspace, tested.reaches, tested.out, round, tested.tally);
                    assertEquals(host.reads(), tested.reads(), message + ", round " + round);
                    rounds += open ? 1 : 0;
                    change(out, geometry, before, host.reads(), random);
                }
                account(host, out);
                account(tested, out);
                assertRests(host, tested, message);
                assertEquals(host.tally.report(0), tested.tally.report(0), message);
                List<HeadFetch> heads = host.tally.heads();
                assertEquals(heads, tested.tally.heads(), message);
            }
            assertTrue(rounds > STEPS, "hardly ever a second round: " + rounds);
            assertTrue(cached >= 40 || host.tally.report(0).tilesInPlace() > 0, "nothing was read in place");
        }
    }

    private static void account(Side side, float[] out) {
        side.write(out, side.out);
        side.residency.account(side.workspace, side.reaches, side.out, side.tally);
    }

    /** New tables, masses and reaches for both. Masses are multiples of a power of two: exact sums in any order. */
    private void given(Side host, Side tested, SplittableRandom random) {
        int blocks = 1 + random.nextInt(BLOCKS);
        int spread = 1 << random.nextInt(10);
        int kind = random.nextInt(4);
        Collections.rotate(homes, random.nextInt(BLOCKS));
        CacheGeometry geometry = host.geometry;
        float[] mass = new float[geometry.queryHeads() * host.workspace.maxBlocks()];
        for (int i = 0; i < mass.length; i++) {
            mass[i] = random.nextInt(3) == 0 ? 0 : (1 + random.nextInt(spread)) * 0x1p-8f / spread;
        }
        float[] reaches = new float[BLOCKS * geometry.kvHeads()];
        for (int i = 0; i < reaches.length; i++) {
            reaches[i] = switch (kind) {
                case 0 -> 1;
                case 1 -> random.nextInt(200) == 0 ? Float.POSITIVE_INFINITY : random.nextFloat();
                case 2 -> random.nextInt(4);
                default -> (float) Math.scalb(random.nextDouble(), -random.nextInt(40));
            };
        }
        for (Side side : List.of(host, tested)) {
            side.blocks.set(blocks);
            side.write(mass, side.workspace.mass());
            side.write(reaches, side.reaches);
        }
        for (int block = 0; block < blocks; block++) {
            boolean resident = random.nextInt(8) == 0;
            for (Side side : List.of(host, tested)) {
                side.values.set(block, resident ? block : ABSENT);
                side.homes.set(block, homes.get(block));
            }
        }
    }

    /** Mostly so long that some of what is not read has to be read; now and then zero. */
    private static float[] output(CacheGeometry geometry, double epsilon, SplittableRandom random) {
        float[] out = new float[geometry.queryRowElements()];
        double norm = random.nextInt(6) == 0 ? 0 : Math.scalb(1 / epsilon, -random.nextInt(8));
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) (norm / Math.sqrt(geometry.headSize()) * random.nextGaussian());
        }
        return out;
    }

    /** Where a KV head reads more, its output is another; elsewhere it is the same. */
    private static void change(
            float[] out,
            CacheGeometry geometry,
            List<List<List<Integer>>> before,
            List<List<List<Integer>>> after,
            SplittableRandom random) {
        int row = geometry.groupSize() * geometry.headSize();
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            if (!before.get(kvHead).equals(after.get(kvHead))) {
                float factor = .4f + .7f * random.nextFloat();
                for (int i = kvHead * row; i < (kvHead + 1) * row; i++) {
                    out[i] *= factor;
                }
            }
        }
    }

    private static void assertRests(Side host, Side tested, String message) {
        int[] expected = host.read(host.workspace.rest());
        int[] rest = tested.read(tested.workspace.rest());
        int stride = host.workspace.maxBlocks();
        for (int head = 0; head < host.geometry.queryHeads(); head++) {
            assertEquals(
                    Arrays.hashCode(Arrays.copyOfRange(expected, head * stride, head * stride + host.blocks.value())),
                    Arrays.hashCode(Arrays.copyOfRange(rest, head * stride, head * stride + host.blocks.value())),
                    message + ", rest of query head " + head);
        }
    }
}
