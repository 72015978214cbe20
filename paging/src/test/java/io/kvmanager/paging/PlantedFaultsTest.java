package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.testing.KvCacheContract;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/** A copy-on-write that is dropped, and a table that is late, are noticed by the cache contract. */
class PlantedFaultsTest {

    @ParameterizedTest
    @CsvSource({"copies, forksShareAndThenPart", "tables, attentionIsThatOfWhatIsRetained"})
    void aPlantedFaultIsNoticed(String fault, String test) {
        TestExecutionSummary without = run("none", test);
        assertTrue(without.getTestsSucceededCount() > 0, "no test ran");
        assertEquals(List.of(), without.getFailures());
        TestExecutionSummary with = run(fault, test);
        assertTrue(with.getTestsFailedCount() > 0, with.getTestsSucceededCount() + " tests passed with the fault");
    }

    private static TestExecutionSummary run(String fault, String test) {
        FaultyCacheSuite.faulty = "faulty:" + fault + ",host:plain";
        SummaryGeneratingListener listener = new SummaryGeneratingListener();
        LauncherFactory.create()
                .execute(
                        LauncherDiscoveryRequestBuilder.request()
                                .selectors(DiscoverySelectors.selectMethod(
                                        FaultyCacheSuite.class, test, KvCacheContract.Case.class.getName()))
                                .build(),
                        listener);
        return listener.getSummary();
    }
}
