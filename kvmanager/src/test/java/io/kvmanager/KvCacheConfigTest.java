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

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "h2o; budget; 0",
                "h2o; budget; -.2",
                "h2o; budget; 1.5",
                "h2o; budget; much",
                "h2o; budget; NaN",
                "h2o; retention; tova(budget=.3)",
                "h2o; retention; half",
                "h2o; retention; h2o(recent=1)",
                "h2o; retention; h2o(window=3)",
                "snapkv; retention; snapkv(pool=4)",
                "snapkv; retention; snapkv(window=0)",
                "pyramidkv; retention; pyramidkv(beta=0)",
                "quest; retention; quest(full=-1)",
                "pyramid; retention; h2o(budget=.3)",
                "pyramid; budget; .3",
                "full; budget; .3"
            })
    void budgetsThatDoNotFitAreRefusedInOneLine(String cache, String key, String value) {
        IllegalArgumentException refusal = assertThrows(
                IllegalArgumentException.class,
                () -> builder(CacheName.parse(cache)).set(key, value).build());
        assertEquals(1, refusal.getMessage().lines().count(), refusal.getMessage());
        assertTrue(refusal.getMessage().contains(key) || refusal.getMessage().contains(cache), refusal.getMessage());
    }

    @Test
    void aBudgetIsAShareOrTokens() {
        BudgetPolicy.H2o h2o = assertInstanceOf(
                BudgetPolicy.H2o.class,
                builder(CacheName.H2O)
                        .set("retention", "h2o(recent=.25)")
                        .set("budget", "0.4")
                        .build()
                        .retention());
        assertEquals(new BudgetPolicy.H2o(.4, .25), h2o);
        assertEquals(40, h2o.budgetTokens(100));
        assertEquals(1, h2o.budgetTokens(2));
        assertEquals(70, h2o.withBudget(70).budgetTokens(100));
        assertEquals(100, h2o.withBudget(1).budgetTokens(100));
        assertEquals(
                new RetentionPolicy.Local(4, 196),
                builder(CacheName.LOCAL)
                        .maxSequenceTokens(1000)
                        .promptTokens(500)
                        .budget(.4)
                        .build()
                        .retention());
        for (CacheName name : CacheName.values()) {
            if (name.budgeted()) {
                assertEquals(
                        name,
                        assertInstanceOf(
                                        BudgetPolicy.class,
                                        builder(name).build().retention())
                                .cache());
            }
        }
    }
}
