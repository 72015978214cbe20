package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger.Account;
import io.kvmanager.testing.EngineDouble;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Sequences out of device memory and back, to the block: 2 layers, blocks of 4 tokens and 64 bytes. */
class SuspendedForksTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 2, 1, 4, 4, ElementType.F32);
    private static final long BLOCK_BYTES = 4 * 4 * 4;
    private static final int BLOCKS = 60;
    private static final int HOMES = 60;

    private final PagedBackend backend = Backends.open(builder(CacheName.PAGED), BLOCKS, HOMES);
    private final EngineDouble engine = new EngineDouble(GEOMETRY, 5, 40);

    private static KvCacheConfig.Builder builder(CacheName cache) {
        return KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain")
                .maxSequences(2)
                .maxSequenceTokens(40)
                .watermark(0);
    }

    @AfterEach
    void close() {
        backend.close();
        engine.close();
    }

    private static void assertRefused(String message, Executable use) {
        assertEquals(message, assertThrows(IllegalStateException.class, use).getMessage());
    }

    @Test
    void aSuspendedSequenceWaitsInHostMemory() {
        KvSequence sequence = backend.openSequence();
        assertRefused("the sequence is not suspended", sequence::resume);
        assertRefused("the sequence is not suspended", () -> backend.admit(sequence));
        engine.prompt(sequence, 10);
        assertFalse(sequence.suspended());
        assertEquals(12 * BLOCK_BYTES, sequence.deviceBytes());
        assertEquals(12 * BLOCK_BYTES, sequence.suspend());
        assertTrue(sequence.suspended());
        assertEquals(12 * BLOCK_BYTES, sequence.deviceBytes(), "what it takes to resume");
        assertEquals(0, backend.pool().usedBlocks());
        assertEquals(List.of(), backend.audit());
        assertEquals(new Admission.Admit(), backend.admit(sequence));
        assertRefused("the sequence is suspended; resume it first", sequence::beginToken);
        assertRefused("the sequence is suspended; resume it first", sequence::fork);
        assertEquals(12 * BLOCK_BYTES, sequence.resume());
        assertEquals(0, backend.tier().usedBlocks());
        engine.token(sequence);
        assertEquals(12 * BLOCK_BYTES, sequence.suspend());
        sequence.close();
        assertEquals(0, backend.tier().usedBlocks());
        assertEquals(List.of(), backend.audit());
    }

    @Test
    void forksAreSharedAgainBehindASuspension() {
        KvSequence parent = backend.openSequence();
        engine.prompt(parent, 10);
        KvSequence child = parent.fork();
        assertEquals(12 * BLOCK_BYTES, parent.suspend());
        assertEquals(0, child.suspend(), "the homes have its bytes");
        assertEquals(0, backend.pool().usedBlocks());
        assertEquals(12, backend.tier().usedBlocks());
        assertEquals(12 * BLOCK_BYTES, child.resume());
        backend.pool().tryReserve(BLOCKS - 12);
        assertEquals(new Admission.Admit(), backend.admit(parent), "the blocks are there");
        assertEquals(List.of(), backend.audit());
        assertEquals(0, parent.resume());
        backend.pool().unreserve(BLOCKS - 12);
        assertEquals(12, backend.pool().usedBlocks());
        assertEquals(0, backend.tier().usedBlocks());
        assertEquals(List.of(), backend.audit());
        engine.token(parent);
        engine.token(child);
    }

    @Test
    void resumingWithoutRoomChangesNothing() {
        KvSequence parent = backend.openSequence();
        engine.prompt(parent, 12);
        KvSequence child = parent.fork();
        engine.token(parent);
        parent.suspend();
        backend.pool().tryReserve(BLOCKS - 12);
        assertThrows(OutOfMemory.class, parent::resume);
        assertTrue(parent.suspended());
        assertEquals(List.of(), backend.audit());
        backend.pool().unreserve(BLOCKS - 12);
        assertEquals(4 * BLOCK_BYTES, parent.resume(), "its open blocks; the others are the child's as well");
        engine.token(parent);
        engine.token(child);
        assertEquals(List.of(), backend.audit());
    }

    @Test
    void queriesMoveAsWell() {
        KvCacheConfig.Builder voting = builder(CacheName.PYRAMID).set("retention", "layers(1/.5,recent=3,queries=5)");
        try (PagedBackend pruning = Backends.open(voting, 40, 40)) {
            KvSequence sequence = pruning.openSequence();
            engine.prompt(sequence, 10, (layer, alive, row) -> null);
            int used = pruning.pool().usedBlocks();
            assertEquals(3, pruning.pool().blocksIn(Account.QUERY_WINDOW), "5 queries of 2 rows");
            assertEquals(used * BLOCK_BYTES, sequence.suspend());
            assertEquals(0, pruning.pool().usedBlocks());
            sequence.resume();
            assertEquals(3, pruning.pool().blocksIn(Account.QUERY_WINDOW));
            assertEquals(used, pruning.pool().usedBlocks());
        }
    }
}
