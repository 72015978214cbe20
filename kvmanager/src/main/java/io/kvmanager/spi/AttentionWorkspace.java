package io.kvmanager.spi;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import java.lang.foreign.MemorySegment;

/**
 * Scratch memory of one decode attention, allocated once per cache.
 *
 * <pre>
 * weights [queryHeads][maxTokens]  F32   softmax weights, exact over all K; zero from the length to the block's end
 * mass    [queryHeads][maxBlocks]  F32   sum of a logical block's weights
 * rest    [queryHeads][maxBlocks]  F32   mass of the blocks that are not read, zero elsewhere
 * logSumExp [queryHeads]           F32   of the scaled scores, natural logarithm
 * scratch                                what the device's kernels need beside
 * </pre>
 *
 * {@code maxTokens} is a multiple of the block size, and {@code maxBlocks} is rounded up to one as well, so that
 * {@code rest} can be used as the weights over blocks of summaries.
 */
public final class AttentionWorkspace {
    private final int maxTokens;
    private final int maxBlocks;
    private final MemorySegment weights;
    private final MemorySegment mass;
    private final MemorySegment rest;
    private final MemorySegment logSumExp;
    private final MemorySegment scratch;
    private final TileList tiles;
    private final TileList summaryTiles;
    private final TileList inPlaceTiles;

    public AttentionWorkspace(Device device, CacheGeometry geometry, int tokens) {
        int heads = geometry.queryHeads();
        maxTokens = geometry.blocksFor(tokens) * geometry.blockTokens();
        maxBlocks = massStride(geometry, tokens);
        weights = device.allocate(Tier.DEVICE, 4L * heads * maxTokens);
        mass = device.allocate(Tier.DEVICE, 4L * heads * maxBlocks);
        rest = device.allocate(Tier.DEVICE, 4L * heads * maxBlocks);
        logSumExp = device.allocate(Tier.DEVICE, 4L * heads);
        scratch = device.allocate(Tier.DEVICE, device.scratchBytes(geometry, tokens));
        tiles = new TileList(device, geometry.kvHeads(), geometry.blocksFor(tokens));
        summaryTiles = new TileList(device, geometry.kvHeads(), maxBlocks / geometry.blockTokens());
        inPlaceTiles = new TileList(device, geometry.kvHeads(), geometry.blocksFor(tokens));
    }

    /** Device bytes that a workspace for sequences of {@code tokens} tokens takes, scratch left out. */
    public static long bytes(CacheGeometry geometry, int tokens) {
        long heads = geometry.queryHeads();
        long blocks = massStride(geometry, tokens);
        return 4 * heads * (geometry.blocksFor(tokens) * (long) geometry.blockTokens() + 2 * blocks + 1)
                + 2 * TileList.bytes(geometry.kvHeads(), geometry.blocksFor(tokens))
                + TileList.bytes(geometry.kvHeads(), (int) blocks / geometry.blockTokens());
    }

    private static int massStride(CacheGeometry geometry, int tokens) {
        return geometry.blocksFor(geometry.blocksFor(tokens)) * geometry.blockTokens();
    }

    /** Row length of {@link #weights()}, tokens. */
    public int maxTokens() {
        return maxTokens;
    }

    /** Row length of {@link #mass()} and {@link #rest()}, blocks. */
    public int maxBlocks() {
        return maxBlocks;
    }

    public MemorySegment weights() {
        return weights;
    }

    public MemorySegment mass() {
        return mass;
    }

    public MemorySegment rest() {
        return rest;
    }

    public MemorySegment logSumExp() {
        return logSumExp;
    }

    public MemorySegment scratch() {
        return scratch;
    }

    /** Value tiles to read. */
    public TileList tiles() {
        return tiles;
    }

    /** Value tiles to read in host memory, by tile index in the homes. */
    public TileList inPlaceTiles() {
        return inPlaceTiles;
    }

    /** Tiles of the summary blocks, for compensation. */
    public TileList summaryTiles() {
        return summaryTiles;
    }
}
