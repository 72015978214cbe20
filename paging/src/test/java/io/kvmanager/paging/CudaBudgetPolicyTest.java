package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.testing.CudaAvailable;
import io.kvmanager.testing.LeakCheck;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The policies under a budget where the host cannot address the cache's memory. */
@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaBudgetPolicyTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 4, 2, 16, 8, ElementType.F32);

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    @ParameterizedTest
    @ValueSource(
            strings = {
                "h2o(budget=.4)",
                "tova(budget=.4)",
                "snapkv(budget=.5,window=8,pool=5)",
                "pyramidkv(budget=.6,window=8)",
                "quest(budget=.3,full=0)"
            })
    void everyHeadKeepsWhatThePaperSays(String retention) {
        CacheName name = CacheName.parse(retention.substring(0, retention.indexOf('(')));
        KvCacheConfig config = KvCacheConfig.builder(name, GEOMETRY)
                .device(CudaAvailable.DEVICE)
                .maxSequenceTokens(80)
                .set("retention", retention)
                .build();
        BudgetPolicyTest.compare(config, new BudgetPolicyTest.Case(retention, GEOMETRY, 50, 2), 20, leaks);
    }
}
