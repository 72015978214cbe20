package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.TileList;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/**
 * K and V of several layers in one slab, blocks in random order, every element random: what decode attention reads.
 * Everything comes from one seed.
 */
final class ScatteredCache {
    private static final int DISTINCT_BLOCKS = 64;

    final CacheGeometry geometry;
    final int tokens;
    final int blocks;
    final MemorySegment slab;
    final MemorySegment[] keyTables;
    final MemorySegment[] valueTables;
    final MemorySegment query;
    final MemorySegment out;
    final AttentionWorkspace workspace;
    final TileList[] tiles;
    private final Device device;

    ScatteredCache(Device device, CacheGeometry geometry, int tokens, long seed) {
        this.device = device;
        this.geometry = geometry;
        this.tokens = tokens;
        this.blocks = geometry.blocksFor(tokens);
        int layers = geometry.layers();
        SplittableRandom random = new SplittableRandom(seed);
        int total = 2 * layers * blocks;
        slab = device.allocate(Tier.DEVICE, (long) total * geometry.blockBytes());
        AttentionKernels kernels = device.kernels(geometry, slab);
        DeviceCount count = new DeviceCount(device.table(device.allocate(Tier.DEVICE, 4)), 0, blocks);
        count.set(blocks);
        keyTables = new MemorySegment[layers];
        valueTables = new MemorySegment[layers];
        tiles = new TileList[layers];
        int[] ids = shuffled(total, random);
        for (int layer = 0; layer < layers; layer++) {
            keyTables[layer] = written(ids, 2 * layer * blocks, blocks);
            valueTables[layer] = written(ids, (2 * layer + 1) * blocks, blocks);
            fill(kernels, Role.KEY, ids, 2 * layer * blocks, random);
            fill(kernels, Role.VALUE, ids, (2 * layer + 1) * blocks, random);
            tiles[layer] = new TileList(device, geometry.kvHeads(), blocks);
            kernels.list(geometry, valueTables[layer], count, tiles[layer]);
        }
        workspace = new AttentionWorkspace(device, geometry, tokens);
        query = random(geometry.queryRowElements(), random);
        out = device.allocate(Tier.DEVICE, 4L * geometry.queryRowElements());
    }

    /** Fills a table's blocks: {@code ids[first]} and those behind it. */
    private void fill(AttentionKernels kernels, Role role, int[] ids, int first, SplittableRandom random) {
        int slots = geometry.blockTokens();
        int distinct = Math.min(DISTINCT_BLOCKS, blocks);
        for (int i = 0; i < distinct; i++) {
            MemorySegment table = written(ids, first + i, 1);
            kernels.append(role, table, 0, random(slots * geometry.keyValueRowElements(), random), slots);
        }
        for (int i = distinct; i < blocks; i++) {
            kernels.copyBlock(ids[first + random.nextInt(distinct)], ids[first + i]);
        }
    }

    private MemorySegment random(int elements, SplittableRandom random) {
        float[] values = new float[elements];
        for (int i = 0; i < elements; i++) {
            values[i] = 2 * (float) random.nextDouble() - 1;
        }
        MemorySegment memory = device.allocate(Tier.DEVICE, 4L * elements);
        device.write(MemorySegment.ofArray(values), memory, 0, memory.byteSize());
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

    private MemorySegment written(int[] ids, int first, int count) {
        MemorySegment table = device.allocate(Tier.DEVICE, 4L * count);
        device.write(MemorySegment.ofArray(ids).asSlice(4L * first), table, 0, 4L * count);
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

    /** Softmax weights of one token in every layer: what K costs. */
    void scores(AttentionKernels kernels) {
        for (int layer = 0; layer < geometry.layers(); layer++) {
            kernels.scores(query, keyTables[layer], tokens, workspace);
        }
    }

    /** Weighted sums of one token in every layer: what V costs. */
    void values(AttentionKernels kernels) {
        for (int layer = 0; layer < geometry.layers(); layer++) {
            kernels.values(workspace.weights(), workspace.maxTokens(), tiles[layer], out, false);
        }
    }

    /** Decode attention of one token in one layer. */
    void attend(AttentionKernels kernels, int layer) {
        kernels.scores(query, keyTables[layer], tokens, workspace);
        kernels.values(workspace.weights(), workspace.maxTokens(), tiles[layer], out, false);
    }

    /** A sum over the output, to be compared between kernels. */
    double checksum() {
        float[] read = new float[geometry.queryRowElements()];
        device.read(out, 0, MemorySegment.ofArray(read), 4L * read.length);
        double sum = 0;
        for (int i = 0; i < read.length; i++) {
            sum += read[i] * (1 + i % 7);
        }
        return sum;
    }
}
