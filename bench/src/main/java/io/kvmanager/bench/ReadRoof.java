package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The fastest this machine reads a slab when nothing is computed but a sum: what attention is measured against.
 *
 * <pre>
 * SEQUENTIAL   the slab from end to end
 * ONE_TILE     the tiles of every KV head in table order, one behind the other
 * FOUR_TILES   four table entries at once, a vector of each in turn
 * FOUR_ROWS    four table entries at once, four rows of each in turn, as the decode kernels do
 * </pre>
 */
final class ReadRoof implements WorkerGroup.Part {
    /** The order in which bytes are visited. */
    enum Walk {
        SEQUENTIAL,
        ONE_TILE,
        FOUR_TILES,
        FOUR_ROWS
    }

    private static final VectorSpecies<Long> LONGS = LongVector.SPECIES_PREFERRED;
    private static final ByteOrder ORDER = ByteOrder.nativeOrder();
    private static final int VECTOR_BYTES = LONGS.vectorByteSize();
    private static final int STEP_BYTES = 4 * VECTOR_BYTES;
    private static final int QUAD = 4;
    private static final int PARTS_PER_HEAD = 8;

    private final CacheGeometry geometry;
    private final MemorySegment slab;
    private final Walk walk;
    private final long[] sums;
    private MemorySegment table = MemorySegment.NULL;
    private int blocks;
    private int firstBlock;

    ReadRoof(CacheGeometry geometry, MemorySegment slab, Walk walk) {
        this.geometry = geometry;
        this.slab = slab;
        this.walk = walk;
        this.sums = new long[geometry.kvHeads() * PARTS_PER_HEAD];
        if (geometry.rowBytes() % STEP_BYTES != 0) {
            throw new IllegalArgumentException(
                    "rows of " + geometry.rowBytes() + " bytes; accepted: multiples of " + STEP_BYTES);
        }
    }

    /**
     * Reads the blocks of {@code blockTable} once.
     *
     * @param first the table's place in the slab when the walk is sequential, blocks
     * @return the sum of all words, so that nothing can be left out
     */
    long read(WorkerGroup workers, MemorySegment blockTable, int count, int first) {
        table = blockTable;
        blocks = count;
        firstBlock = first;
        workers.run(sums.length, this);
        long sum = 0;
        for (long part : sums) {
            sum += part;
        }
        return sum;
    }

    @Override
    public void run(int part) {
        int kvHead = part / PARTS_PER_HEAD;
        int from = (int) ((long) blocks * (part % PARTS_PER_HEAD) / PARTS_PER_HEAD) & -QUAD;
        int to = part % PARTS_PER_HEAD == PARTS_PER_HEAD - 1
                ? blocks
                : (int) ((long) blocks * (part % PARTS_PER_HEAD + 1) / PARTS_PER_HEAD) & -QUAD;
        sums[part] = switch (walk) {
            case SEQUENTIAL -> {
                long bytes = (long) blocks * geometry.blockBytes() / sums.length;
                yield sum(geometry.blockOffset(firstBlock) + part * bytes, bytes);
            }
            case ONE_TILE -> {
                long sum = 0;
                for (int block = from; block < to; block++) {
                    sum += sum(tile(kvHead, block), geometry.tileBytes());
                }
                yield sum;
            }
            case FOUR_TILES -> fourTiles(kvHead, from, to);
            case FOUR_ROWS -> fourRows(kvHead, from, to);
        };
    }

    private long tile(int kvHead, int block) {
        return geometry.tileOffset(geometry.tileIndex(table.getAtIndex(ValueLayout.JAVA_INT, block), kvHead));
    }

    private long fourTiles(int kvHead, int from, int to) {
        LongVector sum0 = LongVector.zero(LONGS);
        LongVector sum1 = sum0;
        LongVector sum2 = sum0;
        LongVector sum3 = sum0;
        for (int block = from; block < to; block += QUAD) {
            long tile0 = tile(kvHead, block);
            long tile1 = tile(kvHead, Math.min(to - 1, block + 1));
            long tile2 = tile(kvHead, Math.min(to - 1, block + 2));
            long tile3 = tile(kvHead, Math.min(to - 1, block + 3));
            for (int at = 0; at < geometry.tileBytes(); at += VECTOR_BYTES) {
                sum0 = sum0.add(LongVector.fromMemorySegment(LONGS, slab, tile0 + at, ORDER));
                sum1 = sum1.add(LongVector.fromMemorySegment(LONGS, slab, tile1 + at, ORDER));
                sum2 = sum2.add(LongVector.fromMemorySegment(LONGS, slab, tile2 + at, ORDER));
                sum3 = sum3.add(LongVector.fromMemorySegment(LONGS, slab, tile3 + at, ORDER));
            }
        }
        return sum0.add(sum1).add(sum2.add(sum3)).reduceLanes(VectorOperators.ADD);
    }

    private long fourRows(int kvHead, int from, int to) {
        int runBytes = Math.min(geometry.tileBytes(), QUAD * geometry.rowBytes());
        long sum = 0;
        for (int block = from; block < to; block += QUAD) {
            long tile0 = tile(kvHead, block);
            long tile1 = tile(kvHead, Math.min(to - 1, block + 1));
            long tile2 = tile(kvHead, Math.min(to - 1, block + 2));
            long tile3 = tile(kvHead, Math.min(to - 1, block + 3));
            for (int at = 0; at < geometry.tileBytes(); at += runBytes) {
                sum += sum(tile0 + at, runBytes);
                sum += sum(tile1 + at, runBytes);
                sum += sum(tile2 + at, runBytes);
                sum += sum(tile3 + at, runBytes);
            }
        }
        return sum;
    }

    private long sum(long offset, long bytes) {
        LongVector sum0 = LongVector.zero(LONGS);
        LongVector sum1 = sum0;
        LongVector sum2 = sum0;
        LongVector sum3 = sum0;
        for (long at = offset; at < offset + bytes; at += STEP_BYTES) {
            sum0 = sum0.add(LongVector.fromMemorySegment(LONGS, slab, at, ORDER));
            sum1 = sum1.add(LongVector.fromMemorySegment(LONGS, slab, at + VECTOR_BYTES, ORDER));
            sum2 = sum2.add(LongVector.fromMemorySegment(LONGS, slab, at + 2L * VECTOR_BYTES, ORDER));
            sum3 = sum3.add(LongVector.fromMemorySegment(LONGS, slab, at + 3L * VECTOR_BYTES, ORDER));
        }
        return sum0.add(sum1).add(sum2.add(sum3)).reduceLanes(VectorOperators.ADD);
    }
}
