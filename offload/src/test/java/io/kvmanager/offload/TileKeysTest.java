package io.kvmanager.offload;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TileKeysTest {
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 31, 65_536, Integer.MAX_VALUE})
    void aKeyHoldsMassAndBlock(int block) {
        for (float mass : new float[] {Float.MIN_VALUE, 1e-30f, .25f, 1f, 8f}) {
            long key = TileKeys.key(mass, block);
            assertEquals(block, TileKeys.block(key));
            assertEquals(mass, TileKeys.mass(key));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void theLargestAreThoseOfASort(long seed) {
        Random random = new Random(seed);
        for (int round = 0; round < 2000; round++) {
            int count = random.nextInt(60);
            int limit = 1 + random.nextInt(70);
            double need = random.nextBoolean() ? TileKeys.ENDLESS : random.nextInt(40) / 8.0;
            long[] keys = new long[count];
            for (int block = 0; block < count; block++) {
                keys[block] = TileKeys.key((1 + random.nextInt(6)) / 8f, block);
            }
            shuffle(keys, random);
            long[] sorted = keys.clone();
            Arrays.sort(sorted);
            int expected = 0;
            for (double covered = 0; expected < Math.min(count, limit) && covered < need; expected++) {
                covered += TileKeys.mass(sorted[count - 1 - expected]);
            }
            int selected = TileKeys.selectLargest(keys, count, limit, need);
            String message = "seed " + seed + ", round " + round;
            assertEquals(expected, selected, message);
            Arrays.sort(keys, 0, selected);
            for (int i = 0; i < selected; i++) {
                assertEquals(sorted[count - selected + i], keys[i], message);
            }
        }
    }

    @Test
    void anOrderedOrConstantRunIsNoBurden() {
        int count = 200_000;
        for (int kind = 0; kind < 3; kind++) {
            long[] keys = new long[count];
            for (int i = 0; i < count; i++) {
                keys[i] = TileKeys.key(kind == 0 ? 1f : kind == 1 ? 1f + i : 1f + count - i, i);
            }
            assertEquals(8, TileKeys.selectLargest(keys, count, 8, TileKeys.ENDLESS));
        }
    }

    private static void shuffle(long[] keys, Random random) {
        for (int i = keys.length - 1; i > 0; i--) {
            int other = random.nextInt(i + 1);
            long key = keys[i];
            keys[i] = keys[other];
            keys[other] = key;
        }
    }
}
