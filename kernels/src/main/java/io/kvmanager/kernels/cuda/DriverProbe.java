package io.kvmanager.kernels.cuda;

import io.kvmanager.spi.Usability;
import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandleProxies;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * Asks for a usable driver without touching a JCuda class: their static initialisers fail for good where the driver or
 * JCuda's own library is missing. Asked once in a process; the driver stays loaded.
 */
final class DriverProbe {
    static final String DRIVER = "libcuda.so.1";
    private static final String JCUDA = "JCudaDriver-12.6.0-linux-x86_64";
    private static final int OLDEST_DRIVER = 11_080; // the first that takes the PTX's version, 7.8

    private DriverProbe() {}

    /** What was found, or why nothing can be used. */
    static Usability result() {
        return Result.FOUND.usability;
    }

    /** Devices that the driver shows; 0 if nothing can be used. */
    static int devices() {
        return Result.FOUND.devices;
    }

    private record Result(Usability usability, int devices) {
        static final Result FOUND = probe();

        static Result refused(String reason) {
            return new Result(new Usability.Unusable(reason), 0);
        }
    }

    /** {@code cuInit}. */
    @FunctionalInterface
    public interface IntToInt {
        int call(int value);
    }

    /** {@code cuDeviceGetCount}, {@code cuDriverGetVersion}. */
    @FunctionalInterface
    public interface OutInt {
        int call(MemorySegment value);
    }

    private static Result probe() {
        Optional<SymbolLookup> driver = driver();
        if (driver.isEmpty()) {
            return Result.refused("no CUDA driver: " + DRIVER + " was not found");
        }
        SymbolLookup calls = driver.get();
        try (Arena arena = Arena.ofConfined()) {
            ValueLayout.OfInt i = ValueLayout.JAVA_INT;
            FunctionDescriptor outInt = FunctionDescriptor.of(i, ValueLayout.ADDRESS);
            int result = bind(calls, IntToInt.class, "cuInit", FunctionDescriptor.of(i, i))
                    .call(0);
            if (result != 0) {
                return Result.refused("the CUDA driver does not start: cuInit returned " + result);
            }
            MemorySegment out = arena.allocate(i);
            result = bind(calls, OutInt.class, "cuDeviceGetCount", outInt).call(out);
            int devices = out.get(i, 0);
            if (result != 0 || devices == 0) {
                return Result.refused("the CUDA driver shows no device");
            }
            result = bind(calls, OutInt.class, "cuDriverGetVersion", outInt).call(out);
            int version = out.get(i, 0);
            if (result != 0 || version < OLDEST_DRIVER) {
                return Result.refused("the CUDA driver is too old: " + text(version) + "; needed: "
                        + text(OLDEST_DRIVER) + " or newer");
            }
            if (!hasLibrary()) {
                return Result.refused(
                        "JCuda's library " + System.mapLibraryName(JCUDA) + " is in no folder of java.library.path");
            }
            String detail = "CUDA " + text(version) + ", " + devices + (devices == 1 ? " device" : " devices");
            return new Result(new Usability.Usable(detail), devices);
        } catch (NoSuchElementException e) {
            return Result.refused("the CUDA driver is incomplete: " + e.getMessage());
        }
    }

    private static Optional<SymbolLookup> driver() {
        try {
            return Optional.of(SymbolLookup.libraryLookup(DRIVER, Arena.global()));
        } catch (IllegalArgumentException | IllegalCallerException e) {
            return Optional.empty();
        }
    }

    /** JCuda would unpack its library to the temporary folder, and take what lies there; it must not come to that. */
    private static boolean hasLibrary() {
        for (String folder : System.getProperty("java.library.path", "").split(File.pathSeparator)) {
            if (!folder.isEmpty() && Files.exists(Path.of(folder, System.mapLibraryName(JCUDA)))) {
                return true;
            }
        }
        return false;
    }

    static <T> T bind(SymbolLookup calls, Class<T> type, String name, FunctionDescriptor descriptor) {
        return MethodHandleProxies.asInterfaceInstance(
                type, Linker.nativeLinker().downcallHandle(calls.findOrThrow(name), descriptor));
    }

    private static String text(int version) {
        return version / 1000 + "." + version % 1000 / 10;
    }
}
