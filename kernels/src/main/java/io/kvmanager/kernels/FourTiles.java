package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * One thread's view of four tiles (or 16 rows) of a slab: where they are if the kernels read them as they are stored,
 * else decoded to F32 in memory of its own. Also the thread's scratch arrays.
 */
final class FourTiles {
    static final int QUAD = 4;

    /** What the kernels read. */
    final MemorySegment memory;

    /** Bytes of one row in {@link #memory}. */
    final int rowBytes;

    /** Byte offsets of four tiles in {@link #memory}. */
    final long[] tiles = new long[QUAD];

    /** Byte offsets of 16 rows in {@link #memory}. */
    final long[] rows = new long[QUAD * QUAD];

    /** Scratch of {@link QuadDots}. */
    final float[] sums = new float[QuadDots.SCRATCH_FLOATS];

    /** Weights of the four tiles for the query heads at hand. */
    final float[] weights;

    private final MemorySegment slab;
    private final ElementType type;
    private final boolean decoded;
    private final int headSize;
    private final int tileElements;

    FourTiles(CacheGeometry geometry, MemorySegment slab) {
        this.slab = slab;
        this.type = geometry.elementType();
        this.headSize = geometry.headSize();
        this.tileElements = geometry.blockTokens() * headSize;
        this.decoded = type != ElementType.F32 && !Lanes.inPairs(geometry);
        this.rowBytes = decoded ? 4 * headSize : geometry.rowBytes();
        int elements = QUAD * Math.max(tileElements, QUAD * headSize);
        this.memory = decoded ? Arena.ofAuto().allocate(4L * elements, 4L * Lanes.LANES) : slab;
        this.weights = new float[TileSums.HEADS * QUAD * geometry.blockTokens()];
    }

    /** Makes the tile at {@code slabOffset} tile {@code i} of the four. */
    void tile(int i, long slabOffset) {
        tiles[i] = at(i * tileElements, slabOffset, tileElements);
    }

    /** Makes the row at {@code slabOffset} row {@code i} of the 16. */
    void row(int i, long slabOffset) {
        rows[i] = at(i * headSize, slabOffset, headSize);
    }

    private long at(int element, long slabOffset, int count) {
        if (!decoded) {
            return slabOffset;
        }
        Lanes.decode(type, slab, slabOffset, count, memory, 4L * element);
        return 4L * element;
    }
}
