package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tokens that nothing is to be looked at for: 2 layers, blocks of 8, the second with queries that vote in 3 blocks. */
class QuietTokensTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 1, 4, 8, ElementType.F32);

    private final PagedBackend backend = Backends.open(
            KvCacheConfig.builder(CacheName.PYRAMID, GEOMETRY)
                    .device("host:plain")
                    .set("retention", "layers(1/.5,recent=3,queries=5)")
                    .maxSequenceTokens(60),
            40,
            10);
    private final Reservation reservation = Backends.reservation(backend);
    private final LayerBlocks[] layers = {layer(0), layer(1)};
    private final QuietTokens quiet = new QuietTokens(layers, backend.pool(), backend.copies());
    private final LayerAttention attention = new LayerAttention(backend);
    private int length;

    private LayerBlocks layer(int layer) {
        LayerShape shape = new LayerShape(
                layer, backend.schedule(), GEOMETRY, backend.config().placement());
        TableLayout layout = backend.tableLayout();
        return new LayerBlocks(
                shape,
                backend,
                layout.tables(backend.device(), backend.tableMemory(0), layer),
                layout.tally(backend.device(), backend.tableMemory(0), layer),
                reservation);
    }

    @AfterEach
    void close() {
        backend.close();
    }

    private void tokens(int count) {
        for (int i = 0; i < count; i++) {
            reservation.begin(20, 0);
            quiet.extend(length++);
            quiet.settle(attention, backend.schedule());
            reservation.end();
        }
    }

    private void assertQuiet(int layer, int tokens) {
        assertTrue(quiet.cover(layer, tokens), "layer " + layer);
        assertFalse(quiet.cover(layer, tokens + 1), "layer " + layer);
    }

    @Test
    void theRestOfABlockIsQuiet() {
        assertQuiet(0, 0);
        tokens(1);
        assertQuiet(0, 6);
        assertQuiet(1, 7);
        tokens(2);
        assertQuiet(0, 4);
        assertQuiet(1, 5);
        assertEquals(3, layers[1].kept());
        assertEquals(3, layers[0].slots.value());
        assertEquals(2, layers[1].positions[2]);
        assertEquals(3 * 4 / 8, layers[1].queries.firstWrittenBlock(), "the query has its place as well");
        tokens(6);
        assertEquals(9, layers[0].slots.value());
        assertEquals(2, layers[0].blocks.value());
        assertQuiet(0, 6);
        tokens(7);
        assertQuiet(1, 0);
        tokens(1);
        assertQuiet(1, 1);
        tokens(1);
        assertEquals(18, layers[1].kept());
        assertQuiet(1, 0);
        tokens(1);
        assertEquals(11, layers[1].kept(), "a window of 16 became 8, behind it are 3");
        assertEquals(19, layers[0].kept());
    }

    @Test
    void whatIsForgottenIsFoundAgainBehindTheNextToken() {
        tokens(2);
        quiet.forget();
        assertQuiet(0, 0);
        assertQuiet(1, 0);
        tokens(1);
        assertQuiet(0, 4);
        assertQuiet(1, 5);
    }

    @Test
    void sharedQueriesAreNotQuiet() {
        tokens(1);
        quiet.forget();
        int block = layers[1].queries.table().get(2);
        backend.pool().retain(block);
        tokens(1);
        assertQuiet(0, 5);
        assertQuiet(1, 0);
        backend.pool().release(block);
        tokens(1);
        assertQuiet(1, 5);
    }

    @Test
    void blocksThatWillBeWrittenAreNoCopies() {
        tokens(1);
        quiet.forget();
        reservation.begin(0, 1);
        int block = layers[1].queries.table().get(2);
        int home = reservation.store(block);
        reservation.end();
        backend.copies().link(block, home);
        tokens(1);
        assertEquals(ABSENT, backend.copies().homeOf(block));
    }
}
