package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.SequenceTooLong;
import io.kvmanager.testing.EngineDouble;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What steps need, counted by hand: 2 layers, blocks of 8. */
class StepNeedTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 2, 4, 8, ElementType.F32);
    private static final int LIMIT = 100;

    private final EngineDouble engine = new EngineDouble(GEOMETRY, 9, LIMIT);

    @AfterEach
    void close() {
        engine.close();
    }

    private static PagedBackend open(CacheName cache, String retention) {
        return Backends.open(KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain")
                .set("retention", retention)
                .compensation(Compensation.MEAN)
                .recentTokens(8)
                .sinkBlocks(1)
                .maxSequenceTokens(LIMIT)
                .maxSequences(3)
                .build());
    }

    private static int blocks(PagedSequence sequence, int tokens) {
        return sequence.plan(tokens).blocks();
    }

    private void prompt(PagedSequence sequence, int tokens) {
        engine.prompt(sequence, tokens, (layer, alive, row) -> null);
    }

    @Test
    void newBlocksAndCopiesOfShared() {
        try (PagedBackend backend = open(CacheName.PAGED, "all")) {
            PagedSequence sequence = (PagedSequence) backend.openSequence();
            assertEquals(4, blocks(sequence, 1));
            assertEquals(12, blocks(sequence, 20));
            prompt(sequence, 20);
            assertEquals(0, blocks(sequence, 1));
            assertEquals(0, blocks(sequence, 4));
            assertEquals(4, blocks(sequence, 5));
            assertEquals(0, sequence.plan(5).homes());
            PagedSequence child = (PagedSequence) sequence.fork();
            assertEquals(4, blocks(sequence, 1), "K and V of the open block, in both layers");
            assertEquals(8, blocks(child, 5));
            engine.token(child);
            assertEquals(0, blocks(sequence, 1), "the child has its own by now");
            child.close();
            sequence.truncate(16);
            PagedSequence full = (PagedSequence) sequence.fork();
            assertEquals(4, blocks(full, 1), "full blocks are not written to");
        }
    }

    @Test
    void homesAndWhatStandsIn() {
        try (PagedBackend backend = open(CacheName.KCACHE, "all")) {
            PagedSequence sequence = (PagedSequence) backend.openSequence();
            Footprint whole = new Footprint(backend.config()).run(60, 60);
            assertEquals(whole.peakBlocks(), blocks(sequence, 60), "layer 0 is offloaded before layer 1 begins");
            assertEquals(whole.peakHomes(), sequence.plan(60).homes());
            prompt(sequence, 14);
            assertEquals(0, blocks(sequence, 1));
            assertEquals(2, blocks(sequence, 2), "a block of means in both layers");
            assertEquals(2, sequence.plan(2).homes());
            assertEquals(4 + 2, blocks(sequence, 3));
            assertEquals(4, sequence.plan(10).homes());
            engine.token(sequence, (layer, positions) -> null);
            engine.token(sequence, (layer, positions) -> null);
            sequence.fork();
            assertEquals(4, blocks(sequence, 7));
            assertEquals(4 + 2, blocks(sequence, 8), "the means are shared, and one is added");
        }
    }

    @Test
    void chunksAreReservedLayerByLayer() {
        try (PagedBackend backend = open(CacheName.PYRAMID, "chunks(.5/1,size=16,queries=2,sinks=1)")) {
            PagedSequence sequence = (PagedSequence) backend.openSequence();
            prompt(sequence, 10);
            assertEquals(2 + 6, blocks(sequence, 30), "8, 8 and 8 slots of 40 in layer 0, all in layer 1");
            sequence.fork();
            assertEquals(5 + 2 + 2 + 6, blocks(sequence, 30), "copies: 2 blocks and the queries; the open block");
            assertEquals(5 + 2, blocks(sequence, 6));
            assertEquals(3 + 2, blocks(sequence, 1), "the open blocks, and the queries");
        }
    }

    @Test
    void lengthsOutsideAreRefused() {
        try (PagedBackend backend = open(CacheName.PAGED, "all")) {
            PagedSequence sequence = (PagedSequence) backend.openSequence();
            prompt(sequence, 20);
            assertDoesNotThrow(() -> sequence.plan(80));
            assertEquals(
                    new SequenceTooLong(101, LIMIT).getMessage(),
                    assertThrows(SequenceTooLong.class, () -> sequence.plan(81)).getMessage());
            assertEquals(
                    "a prompt of 0 tokens; accepted: 1 or more",
                    assertThrows(IllegalArgumentException.class, () -> sequence.plan(0))
                            .getMessage());
            StepNeed need = sequence.plan(1);
            assertTrue(need.joins(5));
            assertFalse(need.joins(5));
            assertTrue(need.joins(6));
        }
    }
}
