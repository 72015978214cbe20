package io.kvmanager.testing;

import static io.kvmanager.spi.BlockTables.ABSENT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.FetchReport;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.TileList;
import io.kvmanager.spi.ValueTier;
import io.kvmanager.spi.ValueTierProvider;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SortedSet;

/** A value tier over a small slab, what it must hold, and a check of everything that one selection promises. */
final class ValueTierRig implements AutoCloseable {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

    final CacheGeometry geometry;
    final Device device;
    final MemorySegment slab;
    final CopyLog copies;
    final ValueTier tier;
    final AttentionWorkspace workspace;
    final IntTable valueTable;
    final IntTable homeTable;
    final DeviceCount blockCount;
    final FetchTally tally;
    final Random random;
    final int maxBlocks;

    /** Blocks that are not the tile cache's. */
    final List<Integer> deviceBlocks;

    /** Bytes of every home in use, by home. */
    final Map<Integer, byte[]> contents = new HashMap<>();

    private final String situation;
    private final Set<Integer> cacheBlocks;
    private final TileOracle oracle;

    /**
     * Opens a tier.
     *
     * @param slack tile slots beyond what one selection needs, tiles
     * @param observed whether copies are logged (which allocates)
     */
    ValueTierRig(
            Device device,
            ValueTierProvider provider,
            CacheGeometry geometry,
            ValueSelection selection,
            int slack,
            int homes,
            int maxBlocks,
            boolean observed,
            long seed) {
        this.device = device;
        this.geometry = geometry;
        this.maxBlocks = maxBlocks;
        this.random = new Random(seed);
        this.oracle = new TileOracle(geometry, selection);
        int tiles = geometry.kvHeads() * Math.min(selection.maxTiles(), homes) + slack;
        situation = "seed " + seed + ", " + geometry + ", " + selection + ", " + tiles + " tiles, " + homes + " homes";
        List<Integer> ids = new ArrayList<>();
        int cached = Math.ceilDiv(tiles, geometry.kvHeads());
        for (int id = 0; id < cached + maxBlocks + 1; id++) {
            ids.add(id);
        }
        Collections.shuffle(ids, random);
        cacheBlocks = new HashSet<>(ids.subList(0, cached));
        deviceBlocks = List.copyOf(ids.subList(cached, ids.size()));
        slab = device.allocate(Tier.DEVICE, (long) ids.size() * geometry.blockBytes());
        for (int id : deviceBlocks) {
            fill(id, randomBlock());
        }
        copies = new CopyLog(geometry, device.kernels(geometry, slab));
        tier = provider.open(
                device,
                geometry,
                observed ? copies.observed() : device.kernels(geometry, slab),
                new PlacementPolicy.Offloaded(selection, Compensation.NONE, 1, 64, 0, tiles),
                ids.subList(0, cached).stream().mapToInt(Integer::intValue).toArray(),
                homes);
        workspace = new AttentionWorkspace(device, geometry, maxBlocks * geometry.blockTokens());
        valueTable = device.table(device.allocate(Tier.DEVICE, 4L * maxBlocks));
        homeTable = device.table(device.allocate(Tier.DEVICE, 4L * maxBlocks));
        blockCount = new DeviceCount(device.table(device.allocate(Tier.DEVICE, 4)), 0, maxBlocks);
        tally = new FetchTally(device, geometry, device.allocate(Tier.DEVICE, FetchTally.counterBytes(geometry)));
    }

    byte[] randomBlock() {
        byte[] bytes = new byte[geometry.blockBytes()];
        random.nextBytes(bytes);
        return bytes;
    }

    void fill(int blockId, byte[] bytes) {
        MemorySegment.copy(bytes, 0, slab, ValueLayout.JAVA_BYTE, geometry.blockOffset(blockId), bytes.length);
    }

    byte[] block(int blockId) {
        return slab.asSlice(geometry.blockOffset(blockId), geometry.blockBytes())
                .toArray(ValueLayout.JAVA_BYTE);
    }

    /** The block id that stores pass through. */
    int staging() {
        return deviceBlocks.getLast();
    }

    /** Reserves and stores a block of random bytes. */
    int store() {
        byte[] bytes = randomBlock();
        fill(staging(), bytes);
        assertTrue(tier.tryReserve(1), situation);
        int home = tier.store(staging());
        assertEquals(null, contents.put(home, bytes), () -> "home " + home + " was in use; " + situation);
        return home;
    }

    void storeAll(int homes) {
        for (int i = 0; i < homes; i++) {
            store();
        }
    }

    /** Drops a reference; forgets the home if it was the last. */
    void release(int home) {
        boolean last = tier.references(home) == 1;
        tier.release(home);
        if (last) {
            contents.remove(home);
            copies.forget(home);
        }
    }

    /** Fills the tables: a logical block is resident with the given probability, and may have a home as well. */
    void randomTables(int blocks, double residentShare) {
        List<Integer> homes = new ArrayList<>(contents.keySet());
        Collections.shuffle(homes, random);
        for (int block = 0; block < blocks; block++) {
            boolean resident = random.nextDouble() < residentShare || block >= homes.size();
            boolean homed = !resident || (block < homes.size() && random.nextBoolean());
            valueTable.set(block, resident ? deviceBlocks.get(block) : ABSENT);
            homeTable.set(block, homed ? homes.get(block) : ABSENT);
        }
    }

    /**
     * Fills mass with numbers whose sums are exact in any order, many of them equal: small integers over one power of
     * two that is at least every query head's sum.
     */
    void randomMasses(int blocks) {
        int kind = random.nextInt(5);
        int[][] units = new int[geometry.queryHeads()][blocks];
        int most = 1;
        for (int[] row : units) {
            int sum = 0;
            for (int block = 0; block < blocks; block++) {
                row[block] = switch (kind) {
                    case 0 -> random.nextInt(4);
                    case 1 -> 1 << random.nextInt(14);
                    case 2 -> random.nextInt(1 << 14);
                    case 3 -> 1;
                    default -> random.nextInt(8) == 0 ? random.nextInt(100) : 0;
                };
                sum += row[block];
            }
            most = Math.max(most, sum);
        }
        float scale = Integer.highestOneBit(most) * 2f;
        for (int head = 0; head < units.length; head++) {
            for (int block = 0; block < blocks; block++) {
                workspace.mass().setAtIndex(FLOAT, at(head, block), units[head][block] / scale);
            }
        }
    }

    private long at(int queryHead, int block) {
        return (long) queryHead * workspace.maxBlocks() + block;
    }

    void select(int blocks) {
        blockCount.set(blocks);
        tier.select(workspace, blockCount, valueTable, homeTable, tally);
        tally.attention();
    }

    /** Selects and checks list, bytes, rest and counts against the oracle. */
    void selectAndCheck(int blocks) {
        String message = situation + ", " + blocks + " blocks";
        double[][] mass = new double[geometry.queryHeads()][blocks];
        boolean[] resident = new boolean[blocks];
        for (int block = 0; block < blocks; block++) {
            resident[block] = valueTable.get(block) != ABSENT;
            for (int head = 0; head < mass.length; head++) {
                mass[head][block] = workspace.mass().getAtIndex(FLOAT, at(head, block));
            }
        }
        workspace.rest().fill((byte) 0xff);
        Set<CopyLog.HostTile> held = copies.held();
        FetchReport before = tally.report(0);
        select(blocks);
        FetchReport after = tally.report(0);
        long hits = 0;
        long misses = 0;
        double missedSum = 0;
        double missedMax = 0;
        Set<Integer> listed = new HashSet<>();
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            SortedSet<Integer> chosen = oracle.chosen(kvHead, mass, resident);
            checkList(kvHead, chosen, resident, listed, message);
            for (int block : chosen) {
                boolean hit = held.contains(new CopyLog.HostTile(homeTable.get(block), kvHead));
                hits += hit ? 1 : 0;
                misses += hit ? 0 : 1;
            }
            for (int member = 0; member < geometry.groupSize(); member++) {
                int head = kvHead * geometry.groupSize() + member;
                double missed = checkRest(head, mass[head], chosen, resident, message);
                missedSum += missed;
                missedMax = Math.max(missedMax, missed);
            }
        }
        assertEquals(hits, after.tilesHit() - before.tilesHit(), "hits; " + message);
        assertEquals(misses, after.tilesMissed() - before.tilesMissed(), "misses; " + message);
        assertEquals(misses * geometry.tileBytes(), after.bytesFetched() - before.bytesFetched(), message);
        assertEquals(before.attentions() + 1, after.attentions(), message);
        double meanSum = after.missedMassMean() * after.attentions() - before.missedMassMean() * before.attentions();
        assertEquals(missedSum / geometry.queryHeads(), meanSum, 1e-9 * after.attentions(), "missed; " + message);
        assertEquals(Math.max(before.missedMassMax(), missedMax), after.missedMassMax(), "most missed; " + message);
    }

    /** The list is resident blocks and chosen tiles in ascending order, and every tile has its home's bytes. */
    private void checkList(
            int kvHead, SortedSet<Integer> chosen, boolean[] resident, Set<Integer> listed, String message) {
        TileList tiles = workspace.tiles();
        int entry = 0;
        for (int block = 0; block < resident.length; block++) {
            if (!resident[block] && !chosen.contains(block)) {
                continue;
            }
            assertTrue(entry < tiles.count(kvHead), "list of KV head " + kvHead + " is short; " + message);
            assertEquals(
                    block, tiles.block(kvHead, entry), "entry " + entry + " of KV head " + kvHead + "; " + message);
            int tile = tiles.tile(kvHead, entry++);
            assertTrue(listed.add(tile), "tile " + tile + " is listed twice; " + message);
            if (resident[block]) {
                assertEquals(geometry.tileIndex(valueTable.get(block), kvHead), tile, message);
            } else {
                assertTrue(cacheBlocks.contains(tile / geometry.kvHeads()), "tile " + tile + "; " + message);
                checkBytes(tile, homeTable.get(block), kvHead, message);
            }
        }
        assertEquals(entry, tiles.count(kvHead), "list of KV head " + kvHead + "; " + message);
    }

    private void checkBytes(int tile, int home, int kvHead, String message) {
        MemorySegment expected = MemorySegment.ofArray(contents.get(home))
                .asSlice((long) kvHead * geometry.tileBytes(), geometry.tileBytes());
        MemorySegment actual = slab.asSlice(geometry.tileOffset(tile), geometry.tileBytes());
        assertEquals(
                -1, expected.mismatch(actual), () -> "bytes of home " + home + ", KV head " + kvHead + "; " + message);
    }

    /** Rest has the mass of what is not read and zeros elsewhere; with what is read it adds up to everything. */
    private double checkRest(int head, double[] mass, SortedSet<Integer> chosen, boolean[] resident, String message) {
        double missed = 0;
        double read = 0;
        double all = 0;
        for (int block = 0; block < mass.length; block++) {
            boolean isRead = resident[block] || chosen.contains(block);
            float rest = workspace.rest().getAtIndex(FLOAT, at(head, block));
            assertEquals(isRead ? 0 : mass[block], rest, "rest of block " + block + "; " + message);
            missed += rest;
            read += isRead ? mass[block] : 0;
            all += mass[block];
        }
        assertEquals(all, read + missed, message);
        int padded = Math.ceilDiv(mass.length, geometry.blockTokens()) * geometry.blockTokens();
        for (int block = mass.length; block < padded; block++) {
            assertEquals(0, workspace.rest().getAtIndex(FLOAT, at(head, block)), "padding of rest; " + message);
        }
        return missed;
    }

    void audit() {
        assertEquals(List.of(), tier.audit(), situation);
        assertEquals(contents.size(), tier.usedBlocks(), situation);
    }

    @Override
    public void close() {
        try {
            audit();
        } finally {
            tier.close();
            device.close();
        }
    }
}
