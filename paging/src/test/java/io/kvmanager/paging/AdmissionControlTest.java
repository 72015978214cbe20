package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.TierBytes;
import io.kvmanager.testing.EngineDouble;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Answers to the block. */
class AdmissionControlTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 2, 8, 8, ElementType.F32);
    private static final long BLOCK_BYTES = 512;
    private static final Admission ADMIT = new Admission.Admit();

    private static KvCacheConfig.Builder builder(CacheName cache, String retention) {
        return KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain")
                .set("retention", retention)
                .maxSequenceTokens(200)
                .maxSequences(2)
                .watermark(0);
    }

    private static String never(Admission answer) {
        return assertInstanceOf(Admission.Never.class, answer).reason();
    }

    private static Admission waiting(long blocks, long homes, int sequences) {
        return new Admission.Wait(new TierBytes(blocks * BLOCK_BYTES, homes * BLOCK_BYTES), sequences);
    }

    @Test
    void whatAnEmptyCacheDoesNotHoldIsNever() {
        try (PagedBackend backend = Backends.open(builder(CacheName.PAGED, "all"), 20, 0)) {
            assertEquals(ADMIT, backend.admit(40, 0));
            assertEquals(ADMIT, backend.admit(10, 30));
            String device =
                    " new tokens take 12288 bytes of device memory, an empty cache has 10240; raise deviceBytes.";
            assertEquals("41 prompt and 0" + device, never(backend.admit(41, 0)));
            assertEquals("10 prompt and 31" + device, never(backend.admit(10, 31)));
            assertEquals("10 prompt and 32" + device, never(backend.admit(10, 32)));
            assertEquals("11 prompt and 31" + device, never(backend.admit(11, 31)));
            assertEquals("1 prompt and 47" + device, never(backend.admit(1, 47)));
            assertEquals("201 tokens exceed maxSequenceTokens 200; raise it", never(backend.admit(1, 200)));
            assertTrue(never(backend.admit(1, 199)).startsWith("1 prompt and 199 new tokens take 51200 bytes"));
        }
    }

    @Test
    void everyTierThatIsShortIsNamed() {
        KvCacheConfig.Builder builder =
                builder(CacheName.KCACHE, "all").recentTokens(8).compensation(Compensation.NONE);
        Footprint peak = new Footprint(builder.build()).run(60, 100);
        int blocks = peak.peakBlocks();
        int homes = peak.peakHomes();
        String start = "60 prompt and 40 new tokens take";
        String device = " " + blocks * BLOCK_BYTES + " bytes of device memory, an empty cache has "
                + (blocks - 1) * BLOCK_BYTES + "; raise deviceBytes.";
        String host = " " + homes * BLOCK_BYTES + " bytes of host memory, an empty cache has "
                + (homes - 2) * BLOCK_BYTES + "; raise hostBytes.";
        try (PagedBackend backend = Backends.open(builder, blocks - 1, homes - 2)) {
            assertEquals(start + device + host, never(backend.admit(60, 40)));
        }
        try (PagedBackend backend = Backends.open(builder, blocks - 1, homes)) {
            assertEquals(start + device, never(backend.admit(60, 40)));
        }
        try (PagedBackend backend = Backends.open(builder, blocks, homes - 2)) {
            assertEquals(start + host, never(backend.admit(60, 40)));
        }
        try (PagedBackend backend = Backends.open(builder, 400, homes - 2)) {
            assertEquals(start + host, never(backend.admit(60, 40)));
        }
        try (PagedBackend backend = Backends.open(builder, blocks, homes)) {
            assertEquals(ADMIT, backend.admit(60, 40));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "PYRAMID; layers(.9/.9,queries=64); NONE",
                "KCACHE; all; MEAN",
                "KCACHE; all; INT8",
                "PYRAMID_KCACHE; layers(.9/.9,queries=64); INT4"
            })
    void queriesAndWhatStandsInAreCounted(CacheName cache, String retention, Compensation compensation) {
        KvCacheConfig.Builder builder =
                builder(cache, retention).recentTokens(200).compensation(compensation);
        Footprint peak = new Footprint(builder.build()).run(60, 100);
        try (PagedBackend backend = Backends.open(builder, peak.peakBlocks(), peak.peakHomes())) {
            assertEquals(ADMIT, backend.admit(60, 40));
        }
        try (PagedBackend backend = Backends.open(builder, peak.peakBlocks() - 1, peak.peakHomes())) {
            assertTrue(never(backend.admit(60, 40)).contains("device memory"));
        }
    }

    @Test
    void whoWaitsIsToldForHowMuch() {
        try (PagedBackend backend =
                Backends.open(builder(CacheName.PAGED, "all").watermark(.22), 20, 0)) {
            assertEquals(ADMIT, backend.admit(40, 0), "an empty device needs no watermark");
            backend.pool().tryReserve(3);
            assertEquals(ADMIT, backend.admit(24, 16), "12 of 17 blocks, and 5 for the watermark");
            assertEquals(waiting(4, 0, 0), backend.admit(25, 15), "16 and 5 of 17");
            KvSequence one = backend.openSequence();
            KvSequence two = backend.openSequence();
            assertEquals(waiting(0, 0, 1), backend.admit(24, 0));
            assertEquals(waiting(4, 0, 1), backend.admit(25, 0));
            one.close();
            two.close();
        }
        KvCacheConfig.Builder offloaded =
                builder(CacheName.KCACHE, "all").recentTokens(8).compensation(Compensation.NONE);
        Footprint prompt = new Footprint(offloaded.build()).run(60, 60);
        try (PagedBackend backend = Backends.open(offloaded, prompt.peakBlocks(), prompt.peakHomes())) {
            backend.tier().tryReserve(2);
            assertEquals(waiting(0, 2, 0), backend.admit(60, 0));
            backend.pool().tryReserve(1);
            assertEquals(waiting(1, 2, 0), backend.admit(60, 0));
        }
    }

    @Test
    void aSuspendedSequenceIsAskedForByItsBlocks() {
        try (PagedBackend backend = Backends.open(builder(CacheName.PAGED, "all"), 20, 40);
                EngineDouble engine = new EngineDouble(GEOMETRY, 3, 40)) {
            KvSequence sequence = backend.openSequence();
            engine.prompt(sequence, 20);
            assertEquals(12 * BLOCK_BYTES, sequence.deviceBytes());
            sequence.suspend();
            assertEquals(ADMIT, backend.admit(sequence));
            backend.pool().tryReserve(8);
            assertEquals(ADMIT, backend.admit(sequence));
            backend.pool().tryReserve(3);
            assertEquals(waiting(3, 0, 0), backend.admit(sequence));
            assertEquals(11, backend.pool().reservedBlocks(), "asking changes nothing");
            backend.pool().unreserve(11);
            assertEquals(List.of(), backend.audit());
            sequence.resume();
            engine.token(sequence);
            sequence.close();
        }
    }
}
