package io.kvmanager.paging;

import io.kvmanager.testing.KvCacheContract;
import java.util.stream.Stream;

/** The cache contract on a faulty device; run by {@link PlantedFaultsTest} alone. */
class FaultyCacheSuite extends KvCacheContract {
    /** The device that is tested next. */
    static String faulty = "";

    @Override
    protected String device() {
        return faulty;
    }

    protected static Stream<Case> cases() {
        return KvCacheContract.cases().filter(testCase -> testCase.text().equals("paged F32"));
    }
}
