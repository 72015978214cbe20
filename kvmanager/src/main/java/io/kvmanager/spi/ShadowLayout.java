package io.kvmanager.spi;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;

/**
 * How shadows of V, quantised copies of full blocks, lie in ordinary blocks.
 *
 * <pre>
 * value = low[channel] + scale[channel] * code      a channel is one element of the head, over the block's slots
 *
 * range block  [kvHead][slot][headSize], elements as V's: shadow r has its lows in slot 2r, its scales in slot 2r + 1
 * code block   [kvHead][place][slot][code row], and what is left of the KV head's slice of a block
 * code row     int8: a byte for each channel, unsigned
 *              int4: byte i has channel i in its low half and channel i + half in its high half,
 *                    half = headSize / 2, rounded up
 * </pre>
 *
 * A low is the smallest element of its channel, so it is stored exactly; a scale is rounded up.
 *
 * @param geometry of the cache; blocks have 2 slots or more
 * @param bits of a code, 4 or 8
 */
public record ShadowLayout(CacheGeometry geometry, int bits) {

    public ShadowLayout {
        if (bits != 4 && bits != 8) {
            throw new IllegalArgumentException("shadows of " + bits + " bits are not accepted; accepted: 4, 8");
        }
        if (geometry.blockTokens() < 2) {
            throw new IllegalArgumentException("blockTokens 1 is not accepted with shadows; accepted: 2 or more");
        }
    }

    /** The layout of {@code int4} or {@code int8}. */
    public static ShadowLayout of(CacheGeometry geometry, Compensation compensation) {
        return new ShadowLayout(geometry, compensation == Compensation.INT8 ? 8 : 4);
    }

    /** Largest code. */
    public int maxCode() {
        return (1 << bits) - 1;
    }

    /** Bytes of one slot's codes of one KV head. */
    public int codeRowBytes() {
        return bits == 8 ? geometry.headSize() : (geometry.headSize() + 1) / 2;
    }

    /** Shadows whose codes one block holds. */
    public int codesPerBlock() {
        return geometry.tileBytes() / (geometry.blockTokens() * codeRowBytes());
    }

    /** Shadows whose lows and scales one block holds. */
    public int rangesPerBlock() {
        return geometry.blockTokens() / 2;
    }

    /** Byte offset in the slab of a shadow's codes of one KV head. */
    public long codeOffset(int codeBlockId, int place, int kvHead) {
        return geometry.tileOffset(geometry.tileIndex(codeBlockId, kvHead))
                + (long) place * geometry.blockTokens() * codeRowBytes();
    }

    /** Byte offset in the slab of a shadow's lows of one KV head; its scales follow as the next row. */
    public long rangeOffset(int rangeBlockId, int range, int kvHead) {
        return geometry.rowOffset(rangeBlockId, kvHead, 2 * range);
    }
}
