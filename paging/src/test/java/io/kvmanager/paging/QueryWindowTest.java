package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.BlockTables;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A window of 5 queries of 3 rows each, in blocks of 4, beside a list. */
class QueryWindowTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(1, 6, 2, 4, 4, ElementType.F32);
    private static final int CAPACITY = 5;
    private static final int BLOCKS = 4;
    private static final long SEED = 8;

    private final KvCacheConfig config = KvCacheConfig.builder(CacheName.PYRAMID, GEOMETRY)
            .device("host:plain")
            .set("retention", "layers(.3,queries=" + CAPACITY + ")")
            .maxSequenceTokens(64)
            .maxSequences(2)
            .build();
    private final PagedBackend backend = Backends.open(config);
    private final Reservation reservation = Backends.reservation(backend);
    private final MemorySegment row = MemorySegment.ofArray(new float[GEOMETRY.queryRowElements()]);

    /** Position and entry of each query, oldest first. */
    private final List<int[]> expected = new ArrayList<>();

    private final SplittableRandom random = new SplittableRandom(SEED);
    private int next;

    @AfterEach
    void close() {
        backend.close();
    }

    private QueryWindow window(int slot) {
        return backend.tableLayout()
                .tables(backend.device(), backend.tableMemory(slot), 0)
                .queryWindow(backend);
    }

    private QueryWindow allocated(int slot) {
        QueryWindow window = window(slot);
        reservation.begin(BLOCKS, 0);
        window.allocate(reservation);
        reservation.end();
        return window;
    }

    private void advance(QueryWindow window, int position) {
        assertEquals(next * 3 / 4, window.firstWrittenBlock());
        assertEquals((next * 3 + 2) / 4, window.lastWrittenBlock());
        window.advance(position);
        float[] statistics = new float[GEOMETRY.queryHeads()];
        Arrays.fill(statistics, position);
        window.store(row, MemorySegment.ofArray(statistics));
        if (expected.size() == CAPACITY) {
            expected.removeFirst();
        }
        expected.add(new int[] {position, next});
        next = (next + 1) % CAPACITY;
    }

    private void require(QueryWindow window) {
        float[] weights = new float[CAPACITY + 1];
        Arrays.fill(weights, 7);
        int oldest = expected.isEmpty() ? 0 : random.nextInt(expected.size());
        window.weights(expected.isEmpty() ? 0 : expected.get(oldest)[0], 3, weights);
        float[] wanted = new float[CAPACITY + 1];
        wanted[CAPACITY] = 7;
        float[] statistics = new float[CAPACITY];
        Arrays.fill(statistics, Float.MAX_VALUE);
        for (int i = 0; i < expected.size(); i++) {
            int count = expected.size() - oldest;
            double slope = count == 1 ? 1 : 1 + 2.0 * (i - oldest) / (count - 1);
            wanted[expected.get(i)[1]] = i < oldest ? 0 : (float) (slope / count);
            statistics[expected.get(i)[1]] = expected.get(i)[0];
        }
        assertArrayEquals(wanted, weights, 1e-6f);
        for (int entry = 0; entry < CAPACITY; entry++) {
            for (int head = 0; head < GEOMETRY.queryHeads(); head++) {
                long at = (long) entry * GEOMETRY.queryHeads() + head;
                assertEquals(
                        statistics[entry],
                        window.logSumExp().getAtIndex(ValueLayout.JAVA_FLOAT, at),
                        "entry " + entry + ", seed " + SEED);
            }
        }
    }

    @Test
    void theRingHoldsTheLastQueries() {
        QueryWindow window = allocated(0);
        assertEquals(CAPACITY, window.capacity());
        assertEquals(BLOCKS, window.blocks());
        require(window);
        int length = 0;
        for (int i = 0; i < 400; i++) {
            if (random.nextInt(6) == 0) {
                int cut = Math.max(0, length - random.nextInt(8));
                window.truncate(cut);
                while (!expected.isEmpty() && expected.getLast()[0] >= cut) {
                    next = expected.removeLast()[1];
                }
                length = cut;
            } else {
                advance(window, length++);
            }
            require(window);
        }
    }

    @Test
    void oneOfOneHasAllTheWeight() {
        assertEquals(1, QueryWindow.rowWeight(0, 1, 3));
        assertEquals(.5f, QueryWindow.rowWeight(0, 2, 3));
        assertEquals(1.5f, QueryWindow.rowWeight(1, 2, 3));
    }

    @Test
    void aForkRemembersTheSame() {
        QueryWindow window = allocated(0);
        for (int i = 0; i < 7; i++) {
            advance(window, i);
        }
        QueryWindow other = window(1);
        other.shareFrom(window);
        require(other);
        other.truncate(5);
        require(window);
        expected.subList(3, CAPACITY).clear();
        require(other);
        assertEquals(0, other.firstWrittenBlock());
    }

    @Test
    void blocksAreTakenAndGivenBack() {
        int free = backend.pool().availableBlocks();
        QueryWindow window = allocated(0);
        assertEquals(free - BLOCKS, backend.pool().availableBlocks());
        assertEquals(BLOCKS, backend.pool().blocksIn(Account.QUERY_WINDOW));
        advance(window, 0);
        window.release(reservation);
        assertEquals(free, backend.pool().availableBlocks());
        for (int i = 0; i < BLOCKS; i++) {
            assertEquals(BlockTables.ABSENT, window.table().get(i));
        }
        window.release(reservation); // as while suspended
        assertEquals(free, backend.pool().availableBlocks());
        float[] weights = new float[CAPACITY];
        window.weights(0, 3, weights);
        assertArrayEquals(new float[CAPACITY], weights);
    }
}
