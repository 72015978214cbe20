package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.TileList;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/**
 * K and V of several layers in one slab, blocks in random order, every element random: what decode attention reads.
 * Everything comes from one seed.
 */
final class ScatteredCache {
    private static final int DISTINCT_BLOCKS = 64;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

    final CacheGeometry geometry;
    final int tokens;
    final int blocks;
    final MemorySegment slab;
    final MemorySegment[] keyTables;
    final MemorySegment[] valueTables;
    final MemorySegment query;
    final MemorySegment out;
    final AttentionWorkspace workspace;
    private final TileList[] tiles;

    ScatteredCache(Device device, CacheGeometry geometry, int tokens, long seed) {
        this.geometry = geometry;
        this.tokens = tokens;
        this.blocks = geometry.blocksFor(tokens);
        int layers = geometry.layers();
        SplittableRandom random = new SplittableRandom(seed);
        int total = 2 * layers * blocks;
        slab = device.allocate(Tier.DEVICE, (long) total * geometry.blockBytes());
        fill(device, total, random);
        keyTables = new MemorySegment[layers];
        valueTables = new MemorySegment[layers];
        tiles = new TileList[layers];
        int[] ids = shuffled(total, random);
        for (int layer = 0; layer < layers; layer++) {
            keyTables[layer] = table(device, ids, 2 * layer * blocks);
            valueTables[layer] = table(device, ids, (2 * layer + 1) * blocks);
            tiles[layer] = new TileList(device, geometry.kvHeads(), blocks);
            tiles[layer].addBlocks(geometry, valueTables[layer], blocks);
        }
        workspace = new AttentionWorkspace(device, geometry, tokens);
        query = random(device, geometry.queryRowElements(), random);
        out = device.allocate(Tier.DEVICE, 4L * geometry.queryRowElements());
    }

    private void fill(Device device, int total, SplittableRandom random) {
        AttentionKernels kernels = device.kernels(geometry, slab);
        int slots = geometry.blockTokens();
        MemorySegment table = device.allocate(Tier.DEVICE, 4);
        for (int block = 0; block < total; block++) {
            if (block < DISTINCT_BLOCKS) {
                table.set(INT, 0, block);
                kernels.append(table, 0, random(device, slots * geometry.keyValueRowElements(), random), slots);
            } else {
                kernels.copyBlock(random.nextInt(DISTINCT_BLOCKS), block);
            }
        }
    }

    private static MemorySegment random(Device device, int elements, SplittableRandom random) {
        MemorySegment memory = device.allocate(Tier.DEVICE, 4L * elements);
        for (int i = 0; i < elements; i++) {
            memory.setAtIndex(FLOAT, i, 2 * (float) random.nextDouble() - 1);
        }
        return memory;
    }

    private static int[] shuffled(int count, SplittableRandom random) {
        int[] ids = new int[count];
        for (int i = 0; i < count; i++) {
            int j = random.nextInt(i + 1);
            ids[i] = ids[j];
            ids[j] = i;
        }
        return ids;
    }

    private MemorySegment table(Device device, int[] ids, int first) {
        MemorySegment table = device.allocate(Tier.DEVICE, 4L * blocks);
        MemorySegment.copy(ids, first, table, INT, 0, blocks);
        return table;
    }

    /** Bytes of K and V that one pass over all layers reads. */
    long bytes() {
        return slab.byteSize();
    }

    /** Decode attention of one token in every layer. */
    void attend(AttentionKernels kernels) {
        for (int layer = 0; layer < geometry.layers(); layer++) {
            attend(kernels, layer);
        }
    }

    /** Decode attention of one token in one layer. */
    void attend(AttentionKernels kernels, int layer) {
        kernels.scores(query, keyTables[layer], tokens, workspace);
        kernels.values(workspace.weights(), workspace.maxTokens(), tiles[layer], out, false);
    }

    /** A sum over the output, to be compared between kernels. */
    double checksum() {
        double sum = 0;
        for (int i = 0; i < geometry.queryRowElements(); i++) {
            sum += out.getAtIndex(FLOAT, i) * (1 + i % 7);
        }
        return sum;
    }
}
