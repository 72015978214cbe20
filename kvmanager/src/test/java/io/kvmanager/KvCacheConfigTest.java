package io.kvmanager;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KvCacheConfigTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(4, 6, 2, 32, 16, ElementType.BF16);

    private static KvCacheConfig.Builder builder(CacheName cache) {
        return KvCacheConfig.builder(cache, GEOMETRY);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "tileCacheTiles; -3",
                "tileCacheTiles; 1",
                "recentTokens; -1",
                "recentTokens; many",
                "selection; topN(0)",
                "selection; topN(8,9)",
                "selection; nucleus(1.5)",
                "selection; certain(1)",
                "compensation; int5",
                "retention; profile",
                "retention; layers(1/1/.5)",
                "retention; layers(1/1/.5/2)",
                "retention; layers(1/1/1/1,widnow=3)",
                "retention; pyramid(curve=steep)",
                "retention; pyramid(recent=1)",
                "retention; paper-7b(1)",
                "elementType; f64",
                "blockTokens; 12",
                "deviceBytes; lots",
                "deviceBytes; -1",
                "colour; red"
            })
    void whatDoesNotFitIsRefusedInOneLine(String key, String value) {
        IllegalArgumentException refusal = assertThrows(
                IllegalArgumentException.class,
                () -> builder(CacheName.PYRAMID_KCACHE).set(key, value).build());
        assertTrue(refusal.getMessage().lines().count() == 1, refusal.getMessage());
    }

    @Test
    void valuesArriveAsWritten() {
        KvCacheConfig config = builder(CacheName.PYRAMID_KCACHE)
                .set("retention", "layers(1/.1/.5/1,recent=48)")
                .set("selection", "nucleus(0.9,12)")
                .set("compensation", "mean")
                .set("deviceBytes", "1.5MiB")
                .set("elementType", "f16")
                .build();
        RetentionPolicy.PerLayer retention = assertInstanceOf(RetentionPolicy.PerLayer.class, config.retention());
        assertEquals(List.of(1.0, .1, .5, 1.0), retention.shares());
        assertEquals(48, retention.recentTokens());
        PlacementPolicy.Offloaded placement = assertInstanceOf(PlacementPolicy.Offloaded.class, config.placement());
        assertEquals(new ValueSelection.Nucleus(.9, 12), placement.selection());
        assertEquals(Compensation.MEAN, placement.compensation());
        assertEquals(3 << 19, config.deviceBytes());
        assertEquals(ElementType.F16, config.geometry().elementType());
    }

    @Test
    void namesDecideWhatIsPrunedAndMoved() {
        assertInstanceOf(
                RetentionPolicy.All.class, builder(CacheName.PAGED).build().retention());
        assertInstanceOf(
                PlacementPolicy.Resident.class,
                builder(CacheName.PYRAMID).build().placement());
        assertEquals(
                RetentionPolicy.WITHOUT_PROFILE,
                builder(CacheName.PYRAMID).build().retention().toString());
        RetentionPolicy.PerLayer profile = RetentionPolicy.PerLayer.of("profile", List.of(1.0, 1.0, .5, .5));
        assertEquals(
                profile, builder(CacheName.PYRAMID).profile(profile).build().retention());
        assertThrows(
                IllegalArgumentException.class,
                () -> builder(CacheName.KCACHE).set("retention", "half").build());
        assertThrows(
                IllegalArgumentException.class,
                () -> builder(CacheName.PAGED).promptTokens(-1).build());
        assertThrows(
                IllegalArgumentException.class,
                () -> builder(CacheName.PAGED)
                        .maxSequenceTokens(10)
                        .promptTokens(11)
                        .build());
    }
}
