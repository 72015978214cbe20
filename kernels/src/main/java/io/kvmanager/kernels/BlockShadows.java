package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.spi.ShadowLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Shadows of full blocks of V, and how far rows are from what stands in for them; shared by all host kernels, since a
 * block is sealed once in {@code blockTokens} tokens. Terms and layout: {@link ShadowLayout}.
 *
 * <p>A channel's low is its smallest element, its scale {@code (largest - low) / maxCode}, rounded up in the stored
 * type; a code is the nearest to {@code (value - low) / scale}. So no element is further than half a scale from its
 * shadow.
 */
final class BlockShadows {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    /** More than double arithmetic loses in a norm of a million elements. */
    private static final double ROUNDING = 1 + 1e-9;

    private final CacheGeometry geometry;
    private final MemorySegment slab;
    private final BlockRows rows;
    private final float[] tile;
    private final float[] center;
    private final double[] squares;

    BlockShadows(CacheGeometry geometry, MemorySegment slab, BlockRows rows) {
        this.geometry = geometry;
        this.slab = slab;
        this.rows = rows;
        tile = new float[geometry.blockTokens() * geometry.headSize()];
        center = new float[geometry.headSize()];
        squares = new double[geometry.blockTokens()];
    }

    /** Distance of the rows from zero. */
    void reach(int blockId, MemorySegment reaches, int index) {
        Arrays.fill(center, 0);
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            readTile(blockId, kvHead);
            writeReach(fromCenter(), reaches, index, kvHead);
        }
    }

    /** Distance of the rows from a stored mean. */
    void reachFromMean(int blockId, int summaryBlockId, int summarySlot, MemorySegment reaches, int index) {
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            readTile(blockId, kvHead);
            rows.row(geometry.rowOffset(summaryBlockId, kvHead, summarySlot), center, 0);
            writeReach(fromCenter(), reaches, index, kvHead);
        }
    }

    private void readTile(int blockId, int kvHead) {
        for (int slot = 0; slot < geometry.blockTokens(); slot++) {
            rows.row(geometry.rowOffset(blockId, kvHead, slot), tile, slot * geometry.headSize());
        }
    }

    private double fromCenter() {
        double largest = 0;
        int headSize = geometry.headSize();
        for (int slot = 0; slot < geometry.blockTokens(); slot++) {
            double sum = 0;
            for (int e = 0; e < headSize; e++) {
                double distance = (double) tile[slot * headSize + e] - center[e];
                sum += distance * distance;
            }
            largest = Math.max(largest, sum);
        }
        return Math.sqrt(largest);
    }

    /** Rounded up; what is not a number is as far as can be, so that it is always read. */
    private void writeReach(double reach, MemorySegment reaches, int index, int kvHead) {
        double most = reach * ROUNDING;
        float rounded = (float) most;
        float stored = Double.isNaN(most) ? Float.POSITIVE_INFINITY : rounded < most ? Math.nextUp(rounded) : rounded;
        reaches.setAtIndex(FLOAT, (long) index * geometry.kvHeads() + kvHead, stored);
    }

    void quantise(
            ShadowLayout layout,
            int blockId,
            int codeBlockId,
            int place,
            int rangeBlockId,
            int range,
            MemorySegment reaches,
            int index) {
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            readTile(blockId, kvHead);
            Arrays.fill(squares, 0);
            long codes = layout.codeOffset(codeBlockId, place, kvHead);
            long lows = layout.rangeOffset(rangeBlockId, range, kvHead);
            for (int channel = 0; channel < geometry.headSize(); channel++) {
                quantiseChannel(layout, channel, codes, lows);
            }
            double largest = 0;
            for (double square : squares) {
                largest = Math.max(largest, square);
            }
            writeReach(Math.sqrt(largest), reaches, index, kvHead);
        }
    }

    private void quantiseChannel(ShadowLayout layout, int channel, long codes, long lows) {
        int headSize = geometry.headSize();
        float low = Float.POSITIVE_INFINITY;
        float high = Float.NEGATIVE_INFINITY;
        for (int slot = 0; slot < geometry.blockTokens(); slot++) {
            low = Math.min(low, tile[slot * headSize + channel]);
            high = Math.max(high, tile[slot * headSize + channel]);
        }
        rows.setElement(lows, channel, low);
        float scale = storeUp(lows + geometry.rowBytes(), channel, ((double) high - low) / layout.maxCode());
        for (int slot = 0; slot < geometry.blockTokens(); slot++) {
            double value = tile[slot * headSize + channel];
            double steps = scale > 0 ? (value - low) / scale : 0;
            int code = (int) Math.min(layout.maxCode(), Math.rint(steps));
            double residual = low + (double) scale * code - value;
            squares[slot] += residual * residual;
            put(layout, codes + (long) slot * layout.codeRowBytes(), channel, code);
        }
    }

    private void put(ShadowLayout layout, long row, int channel, int code) {
        if (layout.bits() == 8) {
            slab.set(BYTE, row + channel, (byte) code);
            return;
        }
        int half = layout.codeRowBytes();
        long at = row + (channel < half ? channel : channel - half);
        int other = slab.get(BYTE, at);
        slab.set(BYTE, at, (byte) (channel < half ? (other & 0xf0) | code : (other & 0x0f) | (code << 4)));
    }

    /** Code of one element. */
    int code(ShadowLayout layout, long row, int channel) {
        if (layout.bits() == 8) {
            return slab.get(BYTE, row + channel) & 0xff;
        }
        int half = layout.codeRowBytes();
        return channel < half
                ? slab.get(BYTE, row + channel) & 0x0f
                : (slab.get(BYTE, row + channel - half) >> 4) & 0x0f;
    }

    /** Stores the smallest element that is not below {@code value}, which is not negative, and returns it. */
    private float storeUp(long rowOffset, int channel, double value) {
        ElementType type = geometry.elementType();
        if (type == ElementType.F32) {
            float rounded = (float) value;
            float stored = rounded < value ? Math.nextUp(rounded) : rounded;
            slab.set(FLOAT, rowOffset + 4L * channel, stored);
            return stored;
        }
        short bits = type.encode((float) value);
        // Positive elements order like their bits.
        short stored = type.decode(bits) < value ? (short) (bits + 1) : bits;
        slab.set(SHORT, rowOffset + 2L * channel, stored);
        return type.decode(stored);
    }
}
