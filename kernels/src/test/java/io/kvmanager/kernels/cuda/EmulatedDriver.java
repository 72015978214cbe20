package io.kvmanager.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandleProxies;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * The controls of the emulated CUDA driver ({@code src/test/emulation}). There is one driver per process, where the
 * JVM's
 * library path leads to it; tests that need it carry the tag {@value #TAG} and are started that way by the build.
 */
public final class EmulatedDriver {
    /** The tag of tests that need the emulated driver. */
    public static final String TAG = "emulation";

    /** What {@link #count} knows that must be back at zero once everything is closed. */
    public static final List<String> LIVE =
            List.of("device_allocations", "host_allocations", "streams", "events", "graphs", "modules", "contexts");

    private static Consumer<EmulatedDriver> fault = driver -> {};

    private final CountCall count;
    private final FailCall fail;
    private final SetCall set;
    private final UseKernelsCall useKernels;
    private final FailureCall failure;
    private final ResetCall reset;

    private EmulatedDriver(SymbolLookup library) {
        ValueLayout.OfInt i = ValueLayout.JAVA_INT;
        ValueLayout.OfLong l = ValueLayout.JAVA_LONG;
        ValueLayout a = ValueLayout.ADDRESS.withTargetLayout(
                MemoryLayout.sequenceLayout(Integer.MAX_VALUE, ValueLayout.JAVA_BYTE));
        count = bind(library, CountCall.class, "count", FunctionDescriptor.of(l, a));
        fail = bind(library, FailCall.class, "fail", FunctionDescriptor.ofVoid(a, l, i));
        set = bind(library, SetCall.class, "set", FunctionDescriptor.of(i, a, l));
        useKernels = bind(library, UseKernelsCall.class, "use_kernels", FunctionDescriptor.of(a, a));
        failure = bind(library, FailureCall.class, "failure", FunctionDescriptor.of(a));
        reset = bind(library, ResetCall.class, "reset", FunctionDescriptor.ofVoid());
    }

    /** Returns the driver as a new process would find it; a test is skipped where it was not built. */
    public static EmulatedDriver fresh() {
        SymbolLookup library = findLibrary();
        assumeTrue(library != null, "the emulated CUDA driver is not on the library path");
        EmulatedDriver driver = new EmulatedDriver(library);
        driver.reset.call();
        fault.accept(driver);
        return driver;
    }

    /** Does something to every driver that {@link #fresh} returns from now on: for tests that must then fail. */
    static void plant(Consumer<EmulatedDriver> planted) {
        fault = planted;
    }

    /** The folder of the emulated driver and its kernel libraries. */
    public static Path folder() {
        return Path.of(System.getProperty("kv.emulation")).toAbsolutePath();
    }

    /** The folder of the emulation's sources. */
    static Path sources() {
        return folder().resolve("../../src/test/emulation").normalize();
    }

    /**
     * How many there are of one of {@link #LIVE}, {@code device_bytes}, {@code host_bytes}, {@code launches},
     * {@code graph_launches}, {@code synchronisations} (calls in which the host waited), {@code dropped_waits} or
     * {@code batch_copies} (calls).
     */
    public long count(String what) {
        try (Arena arena = Arena.ofConfined()) {
            long found = count.call(arena.allocateFrom(what));
            assertTrue(found >= 0, () -> "the emulation counts no " + what);
            return found;
        }
    }

    /** Everything of {@link #LIVE} that is not zero, for example {@code streams=2}; empty if nothing leaked. */
    public String live() {
        return LIVE.stream()
                .filter(what -> count(what) != 0)
                .map(what -> what + "=" + count(what))
                .collect(Collectors.joining(" "));
    }

    /**
     * Makes one call of a kind fail.
     *
     * @param what {@code device_memory}, {@code host_memory}, {@code stream}, {@code event}, {@code graph},
     *     {@code module}, {@code context} or {@code launch}; a launch fails when it runs, and the context with it
     * @param nth 1 for the next one, 0 to take the fault back
     * @param result the CUresult to return
     */
    public void fail(String what, long nth, int result) {
        try (Arena arena = Arena.ofConfined()) {
            fail.call(arena.allocateFrom(what), nth, result);
        }
    }

    /** Sets {@code seed}, {@code lazy}, {@code drop_waits}, {@code memory_bytes} or {@code init_result}. */
    public void set(String option, long value) {
        try (Arena arena = Arena.ofConfined()) {
            assertEquals(0, set.call(arena.allocateFrom(option), value), () -> "the emulation has no option " + option);
        }
    }

    /** Modules that are loaded from now on find the kernels of another library. */
    public void useKernels(Path library) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment message = useKernels.call(arena.allocateFrom(library.toString()));
            assertEquals(0, message.address(), () -> message.getString(0));
        }
    }

    /** The line about the first launch that failed; empty if none did. */
    public String failure() {
        return failure.call().getString(0);
    }

    private static SymbolLookup findLibrary() {
        try {
            SymbolLookup library = SymbolLookup.libraryLookup("libcuda.so.1", Arena.global());
            return library.find("kv_emulation_count").isPresent() ? library : null;
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    private static <T> T bind(SymbolLookup library, Class<T> type, String name, FunctionDescriptor descriptor) {
        MemorySegment address = library.find("kv_emulation_" + name).orElseThrow();
        return MethodHandleProxies.asInterfaceInstance(
                type, Linker.nativeLinker().downcallHandle(address, descriptor));
    }

    /** {@code kv_emulation_count}. */
    @FunctionalInterface
    public interface CountCall {
        long call(MemorySegment what);
    }

    /** {@code kv_emulation_fail}. */
    @FunctionalInterface
    public interface FailCall {
        void call(MemorySegment what, long nth, int result);
    }

    /** {@code kv_emulation_set}. */
    @FunctionalInterface
    public interface SetCall {
        int call(MemorySegment option, long value);
    }

    /** {@code kv_emulation_use_kernels}. */
    @FunctionalInterface
    public interface UseKernelsCall {
        MemorySegment call(MemorySegment path);
    }

    /** {@code kv_emulation_failure}. */
    @FunctionalInterface
    public interface FailureCall {
        MemorySegment call();
    }

    /** {@code kv_emulation_reset}. */
    @FunctionalInterface
    public interface ResetCall {
        void call();
    }
}
