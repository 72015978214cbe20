package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.paging.SlotModel.Expected;
import io.kvmanager.paging.VirtualStream.Launch;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.TileList;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Kernels that copy as real ones do, and read every slot to compare it instead of attending to it. */
final class ProbingKernels implements AttentionKernels {
    private final CacheGeometry geometry;
    private final MemorySegment slab;
    private final VirtualDevice device;
    private final VirtualStream stream;
    private final SlotModel model;
    private final SlotProbes probes;
    private final Map<TileList, List<Tile>> listed = new HashMap<>();
    private int[] dropped = {};

    /** A tile to read: of which KV head, of which logical block, where in the slab. */
    record Tile(int head, int block, int index) {}

    ProbingKernels(
            CacheGeometry geometry, MemorySegment slab, VirtualDevice device, VirtualStream stream, SlotModel model) {
        this.geometry = geometry;
        this.slab = slab;
        this.device = device;
        this.stream = stream;
        this.model = model;
        this.probes = new SlotProbes(geometry, slab);
    }

    @Override
    public String name() {
        return "probing";
    }

    private MemorySegment block(int id) {
        return slab.asSlice(geometry.blockOffset(id), geometry.blockBytes());
    }

    private MemorySegment host(MemorySegment store, long offset, long bytes) {
        return store.asSlice(offset, bytes);
    }

    /** A launch that reads a table and, of its first entries, the blocks. */
    private Launch over(MemorySegment table, int[] ids, int from, boolean writes) {
        Launch launch = stream.launch().reads(table);
        for (int i = from; i < ids.length; i++) {
            if (ids[i] != ABSENT) {
                launch = writes ? launch.writes(block(ids[i])) : launch.reads(block(ids[i]));
            }
        }
        return launch;
    }

    private int[] ids(MemorySegment table, int slots) {
        return device.tableAt(table).copy(geometry.blocksFor(slots));
    }

    @Override
    public void zero(int blockId) {
        stream.launch().writes(block(blockId)).go(() -> block(blockId).fill((byte) 0));
    }

    @Override
    public void copyBlock(int from, int to) {
        stream.launch().reads(block(from)).writes(block(to)).go(() -> block(to).copyFrom(block(from)));
    }

    @Override
    public void append(Role role, MemorySegment table, int firstSlot, MemorySegment rows, int count) {
        int[] ids = ids(table, firstSlot + count);
        over(table, ids, firstSlot / geometry.blockTokens(), true).reads(rows).go(() -> {
            SlotProbes.requireArrived(table, ids);
            int at = 0;
            for (int slot = firstSlot; slot < firstSlot + count; slot++) {
                for (int head = 0; head < geometry.kvHeads(); head++) {
                    MemorySegment.copy(rows, 4L * at, slab, probes.row(ids, head, slot), geometry.rowBytes());
                    at += SlotModel.HEAD_SIZE;
                }
            }
        });
    }

    @Override
    public void append(Role role, MemorySegment table, DeviceCount end, MemorySegment rows, int count) {
        int slots = end.value();
        requireCount(end);
        append(role, table, slots - count, rows, count);
    }

    /** Fails unless the count that has arrived when this is reached is the one of the launch. */
    private void requireCount(DeviceCount count) {
        int value = count.value();
        stream.launch().reads(count.memory()).go(() -> {
            if (count.memory().get(JAVA_INT, 0) != value) {
                throw new AssertionError("a kernel runs with another step's count");
            }
        });
    }

    @Override
    public void read(Role role, MemorySegment table, int firstSlot, MemorySegment rows, int count) {
        int[] ids = ids(table, firstSlot + count);
        over(table, ids, 0, false).writes(rows).go(() -> {
            SlotProbes.requireArrived(table, ids);
            int at = 0;
            for (int slot = firstSlot; slot < firstSlot + count; slot++) {
                for (int head = 0; head < geometry.kvHeads(); head++) {
                    MemorySegment.copy(slab, probes.row(ids, head, slot), rows, 4L * at, geometry.rowBytes());
                    at += SlotModel.HEAD_SIZE;
                }
            }
        });
    }

    private void requireTable(MemorySegment table, Expected expected, int role, String where) {
        int slots = expected.slots();
        int[] ids = ids(table, slots);
        over(table, ids, 0, false).go(() -> {
            SlotProbes.requireArrived(table, ids);
            for (int slot = 0; slot < slots; slot++) {
                for (int head = 0; head < geometry.kvHeads(); head++) {
                    probes.requireSlot(probes.row(ids, head, slot), expected, role, head, slot, where);
                }
            }
        });
    }

    @Override
    public void attendPrompt(
            MemorySegment q,
            int rows,
            int firstSlot,
            MemorySegment keyTable,
            MemorySegment valueTable,
            MemorySegment out,
            MemorySegment logSumExp) {
        Expected expected = model.expected();
        if (expected.slots() != firstSlot + rows) {
            throw new AssertionError("a prompt attends to " + (firstSlot + rows) + " slots of " + expected.slots());
        }
        requireTable(keyTable, expected, SlotModel.KEY, "prompt");
        requireTable(valueTable, expected, SlotModel.VALUE, "prompt");
        stream.launch().writes(logSumExp).go(() -> {
            for (int row = 0; row < rows; row++) {
                for (int head = 0; head < geometry.queryHeads(); head++) {
                    float position = expected.position(firstSlot + row);
                    logSumExp.setAtIndex(JAVA_FLOAT, (long) row * geometry.queryHeads() + head, position);
                }
            }
        });
    }

    @Override
    public void scores(MemorySegment q, MemorySegment keyTable, int tokens, AttentionWorkspace workspace) {
        Expected expected = model.expected();
        if (expected.slots() != tokens) {
            throw new AssertionError("a token attends to " + tokens + " slots of " + expected.slots());
        }
        requireTable(keyTable, expected, SlotModel.KEY, "token");
        MemorySegment logSumExp = workspace.logSumExp();
        float position = expected.position(tokens - 1);
        stream.launch().writes(logSumExp).go(() -> {
            for (int head = 0; head < geometry.queryHeads(); head++) {
                logSumExp.setAtIndex(JAVA_FLOAT, head, position);
            }
        });
    }

    @Override
    public void scores(MemorySegment q, MemorySegment keyTable, DeviceCount tokens, AttentionWorkspace workspace) {
        requireCount(tokens);
        scores(q, keyTable, tokens.value(), workspace);
    }

    @Override
    public void list(CacheGeometry unused, MemorySegment table, DeviceCount blocks, TileList tiles) {
        requireCount(blocks);
        int[] ids = blocks.value() == 0 ? new int[0] : device.tableAt(table).copy(blocks.value());
        listed.put(tiles, resident(ids));
    }

    private List<Tile> resident(int[] ids) {
        List<Tile> found = new ArrayList<>();
        for (int block = 0; block < ids.length; block++) {
            for (int head = 0; head < geometry.kvHeads() && ids[block] != ABSENT; head++) {
                found.add(new Tile(head, block, geometry.tileIndex(ids[block], head)));
            }
        }
        return found;
    }

    /** Notes what a step of an offloading layer reads, and which of its blocks have no device block. */
    void listed(TileList tiles, int[] ids, List<Tile> fetched, int[] droppedBlocks) {
        List<Tile> all = resident(ids);
        all.addAll(fetched);
        listed.put(tiles, all);
        dropped = droppedBlocks;
    }

    @Override
    public void values(MemorySegment weights, int stride, TileList tiles, MemorySegment out, boolean accumulate) {
        Expected expected = model.expected();
        List<Tile> read = listed.get(tiles);
        Launch launch = stream.launch();
        for (Tile tile : read) {
            launch.reads(slab.asSlice(geometry.tileOffset(tile.index()), geometry.tileBytes()));
        }
        int[] without = dropped;
        launch.go(() -> {
            for (Tile tile : read) {
                if (accumulate) {
                    probes.requireMeans(tile, expected, without);
                } else {
                    probes.requireTile(geometry.tileOffset(tile.index()), tile.head(), tile.block(), expected, slab);
                }
            }
        });
    }

    /** Compares a home with what its block must hold. */
    void requireHome(MemorySegment store, long offset, int block) {
        Expected expected = model.expected();
        MemorySegment home = host(store, offset, geometry.blockBytes());
        stream.launch().reads(home).go(() -> {
            for (int head = 0; head < geometry.kvHeads(); head++) {
                probes.requireTile((long) head * geometry.tileBytes(), head, block, expected, home);
            }
        });
    }

    @Override
    public void renormalise(CacheGeometry unused, AttentionWorkspace workspace, DeviceCount blocks, MemorySegment out) {
        requireCount(blocks);
    }

    @Override
    public void remember(
            CacheGeometry unused,
            MemorySegment table,
            MemorySegment logSumExp,
            DeviceCount end,
            MemorySegment q,
            MemorySegment statistics) {
        requireCount(end);
        int entry = end.value() - 1;
        append(Role.QUERY, table, entry * geometry.groupSize(), q, geometry.groupSize());
        long bytes = 4L * geometry.queryHeads();
        MemorySegment from = statistics.asSlice(0, bytes);
        MemorySegment to = logSumExp.asSlice(bytes * entry, bytes);
        stream.launch().reads(from).writes(to).go(() -> to.copyFrom(from));
    }

    @Override
    public void columnScores(
            MemorySegment q,
            MemorySegment logSumExp,
            MemorySegment rowWeights,
            int rows,
            MemorySegment keyTable,
            int firstSlot,
            int count,
            MemorySegment out) {
        int[] ids = ids(keyTable, firstSlot + count);
        // Which layer is pruned is in its keys; what they should be is known for all of them at the launch.
        Expected[] layers = new Expected[geometry.layers()];
        Arrays.setAll(layers, model::expected);
        over(keyTable, ids, 0, false).reads(q).reads(logSumExp).writes(out).go(() -> {
            SlotProbes.requireArrived(keyTable, ids);
            int layer = SlotModel.layerOf(slab.get(JAVA_FLOAT, probes.row(ids, 0, firstSlot) + 4));
            for (int i = 0; i < count; i++) {
                probes.requireSlot(
                        probes.row(ids, 0, firstSlot + i), layers[layer], SlotModel.KEY, 0, firstSlot + i, "pruning");
                int position = layers[layer].position(firstSlot + i);
                out.setAtIndex(JAVA_FLOAT, i, (position * 7919 % 101) / 101f); // any scores will do
            }
            for (int row = 0; row < rows; row++) {
                probes.requireQuery(q, row, logSumExp, layers[layer]);
            }
        });
    }

    @Override
    public void compact(Role role, MemorySegment from, MemorySegment to, MemorySegment kept, int firstSlot, int count) {
        int[] ids = device.tableAt(from).copy(device.tableAt(from).size());
        over(from, ids, 0, true).reads(kept).go(() -> {
            SlotProbes.requireArrived(from, ids);
            for (int i = 0; i < count; i++) {
                int slot = kept.getAtIndex(JAVA_INT, i);
                for (int head = 0; head < geometry.kvHeads(); head++) {
                    MemorySegment.copy(
                            slab,
                            probes.row(ids, head, slot),
                            slab,
                            probes.row(ids, head, firstSlot + i),
                            geometry.rowBytes());
                }
            }
        });
    }

    @Override
    public void copyRow(Role role, int kvHead, int fromBlockId, int fromSlot, int toBlockId, int toSlot) {
        long from = geometry.rowOffset(fromBlockId, kvHead, fromSlot);
        long to = geometry.rowOffset(toBlockId, kvHead, toSlot);
        stream.launch()
                .reads(block(fromBlockId))
                .writes(block(toBlockId))
                .go(() -> MemorySegment.copy(slab, from, slab, to, geometry.rowBytes()));
    }

    @Override
    public void summarise(int blockId, int summaryBlockId, int summarySlot) {
        stream.launch().reads(block(blockId)).writes(block(summaryBlockId)).go(() -> {
            for (int head = 0; head < geometry.kvHeads(); head++) {
                for (int element = 0; element < SlotModel.HEAD_SIZE; element++) {
                    double sum = 0;
                    for (int slot = 0; slot < geometry.blockTokens(); slot++) {
                        sum += slab.get(JAVA_FLOAT, geometry.rowOffset(blockId, head, slot) + 4L * element);
                    }
                    long at = geometry.rowOffset(summaryBlockId, head, summarySlot) + 4L * element;
                    slab.set(JAVA_FLOAT, at, (float) (sum / geometry.blockTokens()));
                }
            }
        });
    }

    @Override
    public void store(int blockId, MemorySegment store, long offset) {
        MemorySegment home = host(store, offset, geometry.blockBytes());
        stream.launch().reads(block(blockId)).writes(home).go(() -> home.copyFrom(block(blockId)));
    }

    @Override
    public void load(MemorySegment store, long offset, int blockId) {
        MemorySegment home = host(store, offset, geometry.blockBytes());
        stream.launch()
                .reads(home)
                .writes(block(blockId))
                .go(() -> block(blockId).copyFrom(home));
    }

    @Override
    public void loadTile(MemorySegment store, long offset, int tileIndex) {
        MemorySegment home = host(store, offset, geometry.tileBytes());
        MemorySegment tile = slab.asSlice(geometry.tileOffset(tileIndex), geometry.tileBytes());
        stream.launch().reads(home).writes(tile).go(() -> tile.copyFrom(home));
    }
}
