package io.kvmanager;

/**
 * The shape of a cache, and the one place that does offset arithmetic.
 *
 * <pre>
 * block = [kvHead][tile]                  one layer, K or V, blockTokens slots
 * tile  = [slot][headSize]                one KV head's slice of a block, the unit of V fetch; a tile of K has the
 *                                         same bytes, in the order that the device's kernels like
 *
 * tile index  = blockId * kvHeads + kvHead        a slab is an array of tiles
 * byte offset = tileIndex * tileBytes + slot * rowBytes + element * elementType.bytes()
 * </pre>
 *
 * @param layers transformer layers
 * @param queryHeads query heads, a multiple of {@code kvHeads}
 * @param kvHeads KV heads; {@code queryHeads / kvHeads} query heads form a GQA group that shares one KV head
 * @param headSize elements per head
 * @param blockTokens slots per block, a power of two
 * @param elementType how K and V are stored
 */
public record CacheGeometry(
        int layers, int queryHeads, int kvHeads, int headSize, int blockTokens, ElementType elementType) {

    public CacheGeometry {
        requirePositive("layers", layers);
        requirePositive("queryHeads", queryHeads);
        requirePositive("kvHeads", kvHeads);
        requirePositive("headSize", headSize);
        requirePositive("blockTokens", blockTokens);
        if (queryHeads % kvHeads != 0) {
            throw new IllegalArgumentException("queryHeads " + queryHeads + " is not a multiple of kvHeads " + kvHeads);
        }
        if (Integer.bitCount(blockTokens) != 1 || blockTokens > 1024) {
            throw new IllegalArgumentException(
                    "blockTokens " + blockTokens + " is not accepted; accepted: a power of two from 1 to 1024");
        }
        if ((long) kvHeads * blockTokens * headSize * elementType.bytes() > 1 << 30) {
            throw new IllegalArgumentException("a block of kvHeads " + kvHeads + " x blockTokens " + blockTokens
                    + " x headSize " + headSize + " " + elementType + " exceeds 1 GiB");
        }
    }

    private static void requirePositive(String name, int value) {
        if (value <= 0) {
            throw new IllegalArgumentException(name + " " + value + " is not accepted; accepted: 1 or more");
        }
    }

    /** Query heads that share one KV head. */
    public int groupSize() {
        return queryHeads / kvHeads;
    }

    /** Bytes of one token's K (or V) row of one KV head. */
    public int rowBytes() {
        return headSize * elementType.bytes();
    }

    /** Bytes of one tile. */
    public int tileBytes() {
        return blockTokens * rowBytes();
    }

    /** Bytes of one block, the only allocation size of a cache. */
    public int blockBytes() {
        return kvHeads * tileBytes();
    }

    /** Bytes of K and V that one token takes over all layers when nothing is pruned. */
    public long bytesPerToken() {
        return 2L * layers * kvHeads * rowBytes();
    }

    /** Blocks that hold {@code tokens} slots. */
    public int blocksFor(int tokens) {
        return (tokens + blockTokens - 1) / blockTokens;
    }

    /** Index of a block's tile for one KV head, in a slab seen as an array of tiles. */
    public int tileIndex(int blockId, int kvHead) {
        return blockId * kvHeads + kvHead;
    }

    /** Byte offset of a tile in its slab. */
    public long tileOffset(int tileIndex) {
        return (long) tileIndex * tileBytes();
    }

    /** Byte offset of a block in its slab. */
    public long blockOffset(int blockId) {
        return (long) blockId * blockBytes();
    }

    /** Byte offset in its slab of one token's row of one KV head; not for K. */
    public long rowOffset(int blockId, int kvHead, int slot) {
        return tileOffset(tileIndex(blockId, kvHead)) + (long) slot * rowBytes();
    }

    /** Elements of one token's K (or V) over the KV heads: the row length an engine passes to append. */
    public int keyValueRowElements() {
        return kvHeads * headSize;
    }

    /** Elements of one token's query (or attention output) over the query heads. */
    public int queryRowElements() {
        return queryHeads * headSize;
    }
}
