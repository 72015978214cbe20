package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheException.ProviderUnusable;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.Usability;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the provider says where there is no driver, and of arguments. */
class CudaProviderTest {

    @Test
    void withoutADriverOneLineSaysSo() {
        assumeFalse(hasDriver(), "there is a CUDA driver here");
        Usability.Unusable unusable = assertInstanceOf(Usability.Unusable.class, new CudaDeviceProvider().probe());
        assertEquals("no CUDA driver: libcuda.so.1 was not found", unusable.reason());
        ProviderUnusable refusal = assertThrows(ProviderUnusable.class, () -> ProviderSelection.device("cuda:0"));
        assertTrue(refusal.getMessage().contains("libcuda.so.1"), refusal.getMessage());
        assertFalse(refusal.getMessage().contains("\n"), refusal.getMessage());
    }

    private static boolean hasDriver() {
        try {
            SymbolLookup.libraryLookup(DriverProbe.DRIVER, Arena.global());
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    @ParameterizedTest
    @CsvSource({
        "'', 0, false, BEST",
        "0, 0, false, BEST",
        "3, 3, false, BEST",
        "sync, 0, true, BEST",
        "'2,sync', 2, true, BEST",
        "copies=single, 0, false, SINGLE",
        "'1,copies=batch,sync', 1, true, BATCH",
        "'1,sync,copies=kernel', 1, true, KERNEL"
    })
    void argumentsNameADeviceAndAMode(String text, int ordinal, boolean synchronous, CopyWay copies) {
        assertEquals(new CudaArgument(ordinal, synchronous, copies), CudaArgument.parse(text));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"x", "-1", "0,", ",", "sync,0", "0,1", "0,sync,sync", "99999", " 0", "copies=", "copies=all"})
    void otherArgumentsAreRefused(String text) {
        CudaDeviceProvider provider = new CudaDeviceProvider();
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, () -> provider.open(text));
        assertTrue(refusal.getMessage().contains("'" + text + "'"), refusal.getMessage());
        assertTrue(refusal.getMessage().contains("accepted"), refusal.getMessage());
    }

    @Test
    void scratchHoldsWhatTheNeediestKernelWrites() {
        CacheGeometry geometry = new CacheGeometry(1, 8, 2, 64, 16, ElementType.F16);
        long bytes = new CudaDeviceProvider().scratchBytes(geometry, 4000);
        long kept = KernelLayout.keptScratch(geometry);
        assertTrue(bytes >= kept + KernelLayout.scoreScratch(geometry, 4000), "scores");
        assertTrue(bytes >= kept + KernelLayout.valueScratch(geometry, 250), "values");
        long[] choice = KernelLayout.choiceOffsets(geometry, 256);
        assertTrue(bytes >= choice[choice.length - 1], "choice");
        assertEquals(0, bytes % 8);
    }
}
