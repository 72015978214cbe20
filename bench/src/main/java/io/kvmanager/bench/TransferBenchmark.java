package io.kvmanager.bench;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Copies between the two tiers of one device, as suspension and resumption make them: a pass stores or loads every
 * piece, each a block of its own, and waits. Piece i of host memory belongs to place {@code places[i]} of device
 * memory, so nothing is contiguous on both sides.
 */
final class TransferBenchmark implements AutoCloseable {
    private static final long SEED = 20_240_607;
    private static final int MOST_PIECES = 16 << 10;
    private static final int ROW_ELEMENTS = 64;
    private static final int MOST_ROWS = 1024;
    private static final int ELEMENT_BYTES = 2;

    /** Smallest piece that can be measured. */
    static final long LEAST_PIECE = (long) ROW_ELEMENTS * ELEMENT_BYTES;

    private final Arena arena = Arena.ofShared();
    private final Device device;
    private final MemorySegment slab;
    private final MemorySegment homes;
    private final MemorySegment expected;
    private final MemorySegment scratch;

    /**
     * Takes both sides of every copy.
     *
     * @param device what is measured; the caller closes it
     * @param bytes of a pass, a power of two
     */
    TransferBenchmark(Device device, long bytes) {
        this.device = device;
        slab = device.allocate(Tier.DEVICE, bytes);
        homes = device.allocate(Tier.HOST, bytes);
        expected = arena.allocate(bytes, 4096);
        scratch = arena.allocate(bytes, 4096);
        SplittableRandom random = new SplittableRandom(SEED);
        for (long i = 0; i < bytes / 8; i++) {
            expected.setAtIndex(JAVA_LONG, i, random.nextLong());
        }
    }

    /** Pieces of one pass. */
    int pieces(long pieceBytes) {
        return (int) Math.min(MOST_PIECES, slab.byteSize() / pieceBytes);
    }

    /**
     * Times passes in one direction; the contents of the last one are checked.
     *
     * @param pieceBytes a power of two
     * @param warmUp passes that are not counted
     * @return nanoseconds of each of {@code rounds} passes, ascending
     * @throws IllegalStateException if a byte is not where it belongs
     */
    long[] measure(long pieceBytes, boolean toDevice, int warmUp, int rounds) {
        AttentionKernels kernels = device.kernels(geometry(pieceBytes), slab);
        int[] places = places(pieces(pieceBytes));
        prepare(places, pieceBytes, toDevice);
        long[] nanos = new long[rounds];
        for (int round = -warmUp; round < rounds; round++) {
            device.synchronize();
            long start = System.nanoTime();
            for (int piece = 0; piece < places.length; piece++) {
                if (toDevice) {
                    kernels.load(homes, piece * pieceBytes, places[piece]);
                } else {
                    kernels.store(places[piece], homes, piece * pieceBytes);
                }
            }
            device.synchronize();
            if (round >= 0) {
                nanos[round] = System.nanoTime() - start;
            }
        }
        check(places, pieceBytes, toDevice);
        Arrays.sort(nanos);
        return nanos;
    }

    /** A block is one piece. */
    private static CacheGeometry geometry(long pieceBytes) {
        int rows = (int) Math.min(MOST_ROWS, pieceBytes / LEAST_PIECE);
        int rowElements = (int) (pieceBytes / ELEMENT_BYTES / rows);
        return new CacheGeometry(1, 1, 1, rowElements, rows, ElementType.F16);
    }

    private static int[] places(int pieces) {
        SplittableRandom random = new SplittableRandom(SEED + pieces);
        int[] places = new int[pieces];
        for (int i = 0; i < pieces; i++) {
            int j = random.nextInt(i + 1);
            places[i] = places[j];
            places[j] = i;
        }
        return places;
    }

    private void prepare(int[] places, long pieceBytes, boolean toDevice) {
        scratch.fill((byte) 0);
        if (toDevice) {
            homes.copyFrom(expected);
        } else {
            homes.fill((byte) 0);
            for (int piece = 0; piece < places.length; piece++) {
                MemorySegment.copy(expected, piece * pieceBytes, scratch, places[piece] * pieceBytes, pieceBytes);
            }
        }
        device.write(scratch, slab, 0, slab.byteSize());
    }

    private void check(int[] places, long pieceBytes, boolean toDevice) {
        if (toDevice) {
            device.read(slab, 0, scratch, slab.byteSize());
        }
        for (int piece = 0; piece < places.length; piece++) {
            MemorySegment arrived = toDevice
                    ? scratch.asSlice(places[piece] * pieceBytes, pieceBytes)
                    : homes.asSlice(piece * pieceBytes, pieceBytes);
            long wrong = arrived.mismatch(expected.asSlice(piece * pieceBytes, pieceBytes));
            if (wrong >= 0) {
                throw new IllegalStateException("byte " + wrong + " of piece " + piece + " of " + pieceBytes + " bytes"
                        + " is wrong after copies to " + (toDevice ? "device" : "host") + " memory, device "
                        + device.description());
            }
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
