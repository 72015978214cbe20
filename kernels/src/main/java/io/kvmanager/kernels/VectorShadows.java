package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.INTS;
import static io.kvmanager.kernels.Lanes.LANES;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.ShadowLayout;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;

/**
 * Weighted sums over shadows. A KV head is one thread's; of each block that any of its query heads does not read:
 *
 * <ol>
 *   <li>decode the tile to F32, {@code [slot][headSize]}, once for the whole group; it stays in the nearest cache
 *   <li>for each query head, {@code sums += weight * row}
 * </ol>
 *
 * The sums are added to the output at the end.
 */
final class VectorShadows implements WorkerGroup.Part {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    /** As many bytes as there are lanes; where no vector is that short, codes are decoded one by one. */
    private static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, 8 * LANES)));

    private static final boolean IN_VECTORS = BYTES.length() == LANES;

    private final CacheGeometry geometry;
    private final MemorySegment slab;
    private final BlockRows rows;
    private final WorkerGroup workers;
    private final int headSize;
    private final int groupSize;
    private final int blockTokens;
    private final ScratchPool<Scratch> scratch;
    private @Nullable ShadowLayout layout;
    private @Nullable AttentionWorkspace workspace;
    private MemorySegment codes = MemorySegment.NULL;
    private MemorySegment ranges = MemorySegment.NULL;
    private MemorySegment out = MemorySegment.NULL;
    private int blocks;

    VectorShadows(CacheGeometry geometry, MemorySegment slab, BlockRows rows, WorkerGroup workers) {
        this.geometry = geometry;
        this.slab = slab;
        this.rows = rows;
        this.workers = workers;
        headSize = geometry.headSize();
        groupSize = geometry.groupSize();
        blockTokens = geometry.blockTokens();
        scratch = new ScratchPool<>(workers.threads(), () -> new Scratch(geometry));
    }

    /** One thread's tile and sums. */
    private static final class Scratch {
        final float[] tile;
        final float[] lows;
        final float[] scales;
        final float[] weights;
        final float[] sums;

        Scratch(CacheGeometry geometry) {
            tile = new float[geometry.blockTokens() * geometry.headSize()];
            lows = new float[geometry.headSize()];
            scales = new float[geometry.headSize()];
            weights = new float[geometry.blockTokens()];
            sums = new float[geometry.groupSize() * geometry.headSize()];
        }
    }

    void add(
            ShadowLayout newLayout,
            AttentionWorkspace newWorkspace,
            int blockCount,
            MemorySegment codeTable,
            MemorySegment rangeTable,
            MemorySegment output) {
        layout = newLayout;
        workspace = newWorkspace;
        blocks = blockCount;
        codes = codeTable;
        ranges = rangeTable;
        out = output;
        workers.run(geometry.kvHeads(), this);
    }

    @Override
    public void run(int kvHead) {
        ShadowLayout of = Objects.requireNonNull(layout);
        AttentionWorkspace space = Objects.requireNonNull(workspace);
        int piece = scratch.take();
        try {
            Scratch own = scratch.get(piece);
            Arrays.fill(own.sums, 0);
            for (int block = 0; block < blocks; block++) {
                if (isUnread(space, kvHead, block)) {
                    decode(of, kvHead, block, own);
                    for (int member = 0; member < groupSize; member++) {
                        long row = (long) (kvHead * groupSize + member) * space.maxTokens();
                        long first = 4 * (row + (long) block * blockTokens);
                        MemorySegment.copy(space.weights(), FLOAT, first, own.weights, 0, blockTokens);
                        addRows(own, member * headSize);
                    }
                }
            }
            for (int i = 0; i < own.sums.length; i++) {
                long at = (long) kvHead * own.sums.length + i;
                out.setAtIndex(FLOAT, at, out.getAtIndex(FLOAT, at) + own.sums[i]);
            }
        } finally {
            scratch.giveBack(piece);
        }
    }

    private boolean isUnread(AttentionWorkspace space, int kvHead, int block) {
        float most = 0;
        for (int member = 0; member < groupSize; member++) {
            long row = (long) (kvHead * groupSize + member) * space.maxBlocks();
            most = Math.max(most, space.rest().getAtIndex(FLOAT, row + block));
        }
        return most > 0;
    }

    private void decode(ShadowLayout of, int kvHead, int block, Scratch own) {
        int codeBlock = codes.getAtIndex(INT, block / of.codesPerBlock());
        int rangeBlock = ranges.getAtIndex(INT, block / of.rangesPerBlock());
        long range = of.rangeOffset(rangeBlock, block % of.rangesPerBlock(), kvHead);
        rows.row(range, own.lows, 0);
        rows.row(range + geometry.rowBytes(), own.scales, 0);
        long row = of.codeOffset(codeBlock, block % of.codesPerBlock(), kvHead);
        for (int slot = 0; slot < blockTokens; slot++) {
            if (of.bits() == 8) {
                decodeBytes(row, slot * headSize, own);
            } else {
                decodeHalves(row, slot * headSize, of.codeRowBytes(), own);
            }
            row += of.codeRowBytes();
        }
    }

    private void decodeBytes(long row, int to, Scratch own) {
        int e = 0;
        for (; IN_VECTORS && e + LANES <= headSize; e += LANES) {
            IntVector code = bytes(row + e).and(0xff);
            ((FloatVector) code.convertShape(VectorOperators.I2F, FLOATS, 0))
                    .fma(FloatVector.fromArray(FLOATS, own.scales, e), FloatVector.fromArray(FLOATS, own.lows, e))
                    .intoArray(own.tile, to + e);
        }
        for (; e < headSize; e++) {
            own.tile[to + e] = own.lows[e] + own.scales[e] * (slab.get(BYTE, row + e) & 0xff);
        }
    }

    private void decodeHalves(long row, int to, int half, Scratch own) {
        int i = 0;
        for (; IN_VECTORS && i + LANES <= headSize - half; i += LANES) {
            IntVector code = bytes(row + i);
            ((FloatVector) code.and(0x0f).convertShape(VectorOperators.I2F, FLOATS, 0))
                    .fma(FloatVector.fromArray(FLOATS, own.scales, i), FloatVector.fromArray(FLOATS, own.lows, i))
                    .intoArray(own.tile, to + i);
            ((FloatVector) code.lanewise(VectorOperators.LSHR, 4)
                            .and(0x0f)
                            .convertShape(VectorOperators.I2F, FLOATS, 0))
                    .fma(
                            FloatVector.fromArray(FLOATS, own.scales, half + i),
                            FloatVector.fromArray(FLOATS, own.lows, half + i))
                    .intoArray(own.tile, to + half + i);
        }
        for (; i < half; i++) {
            int code = slab.get(BYTE, row + i);
            own.tile[to + i] = own.lows[i] + own.scales[i] * (code & 0x0f);
            if (half + i < headSize) {
                own.tile[to + half + i] = own.lows[half + i] + own.scales[half + i] * ((code >> 4) & 0x0f);
            }
        }
    }

    private IntVector bytes(long offset) {
        return (IntVector)
                ByteVector.fromMemorySegment(BYTES, slab, offset, ORDER).convertShape(VectorOperators.B2I, INTS, 0);
    }

    private void addRows(Scratch own, int at) {
        int e = 0;
        for (; e + LANES <= headSize; e += LANES) {
            FloatVector sum = FloatVector.fromArray(FLOATS, own.sums, at + e);
            for (int slot = 0; slot < blockTokens; slot++) {
                sum = FloatVector.fromArray(FLOATS, own.tile, slot * headSize + e)
                        .fma(FloatVector.broadcast(FLOATS, own.weights[slot]), sum);
            }
            sum.intoArray(own.sums, at + e);
        }
        for (; e < headSize; e++) {
            float sum = own.sums[at + e];
            for (int slot = 0; slot < blockTokens; slot++) {
                sum = Math.fma(own.tile[slot * headSize + e], own.weights[slot], sum);
            }
            own.sums[at + e] = sum;
        }
    }
}
