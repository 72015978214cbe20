package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.testing.KvCacheContract;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

class HostPlainCacheTest extends KvCacheContract {
    @Override
    protected String device() {
        return "host:plain";
    }

    /** Plain loops take long; longer prompts are left to {@link HostVectorCacheTest}. */
    @Override
    protected List<Integer> promptLengths() {
        return List.of(17, 70);
    }

    @Test
    void capturingIsRefusedAndTheTokenCanStillBeRun() {
        CacheGeometry geometry = new CacheGeometry(1, 1, 1, 8, 4, ElementType.F32);
        try (KvCache cache = KvCache.open(KvCacheConfig.builder(CacheName.PAGED, geometry)
                        .device(device())
                        .maxSequenceTokens(8)
                        .build());
                KvSequence sequence = cache.openSequence();
                Arena arena = Arena.ofShared()) {
            MemorySegment row = arena.allocate(4L * 8, 64);
            sequence.beginToken();
            assertThrows(
                    UnsupportedOperationException.class,
                    () -> sequence.capture(() -> sequence.attend(0, row, row, row, row)));
            sequence.attend(0, row, row, row, row);
            sequence.commit();
            assertEquals(1, sequence.length());
        }
    }
}
