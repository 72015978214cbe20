package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.WorkerGroup;

/** How fast all threads together read scattered blocks of a slab that fits no processor cache. */
final class DecodeRoof {
    private static final long SEED = 20_240_607;
    private static final int ROUNDS = 5;
    private static final int TOKENS = 32 << 10;

    private DecodeRoof() {}

    /** Bytes a nanosecond, the best of some rounds and orders. */
    static double bytesPerNano() {
        CacheGeometry geometry = new CacheGeometry(2, 32, 8, 128, 16, ElementType.BF16);
        WorkerGroup workers = WorkerGroup.shared();
        double best = 0;
        try (Device memory = ProviderSelection.device("host")) {
            ScatteredCache cache = new ScatteredCache(memory, geometry, TOKENS, SEED);
            long sum = 0;
            for (ReadRoof.Walk walk : ReadRoof.Walk.values()) {
                ReadRoof roof = new ReadRoof(geometry, cache.slab, walk);
                for (int round = 0; round < ROUNDS && walk != ReadRoof.Walk.SEQUENTIAL; round++) {
                    long start = System.nanoTime();
                    for (int layer = 0; layer < geometry.layers(); layer++) {
                        sum += roof.read(workers, cache.keyTables[layer], cache.blocks, 2 * layer * cache.blocks);
                        sum += roof.read(
                                workers, cache.valueTables[layer], cache.blocks, (2 * layer + 1) * cache.blocks);
                    }
                    best = Math.max(best, cache.bytes() / (double) (System.nanoTime() - start));
                }
            }
            if (sum == 0) {
                throw new IllegalStateException("nothing was read");
            }
        }
        return best;
    }
}
