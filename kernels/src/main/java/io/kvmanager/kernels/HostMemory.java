package io.kvmanager.kernels;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandleProxies;
import java.util.Locale;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Zeroed memory of an arena. Large pieces come in huge pages where the system gives them: scattered tiles then miss the
 * TLB less, worth 10 to 25 % of attention over a long context.
 *
 * <pre>
 * mapped   |....|=========== segment ===========|......|     bytes + 2 MiB, anonymous, zero when first touched
 *               ^ multiple of 2 MiB
 * </pre>
 *
 * Advice must come before the first touch, and an arena's own allocation touches everything to zero it: hence mmap.
 */
final class HostMemory {
    private static final Logger LOG = LoggerFactory.getLogger(HostMemory.class);
    private static final long PAGE_BYTES = 4096;
    private static final long HUGE_PAGE_BYTES = 2L << 20;
    private static final long LARGE_BYTES = 4L << 20;

    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
    private static final int MADV_HUGEPAGE = 14;
    private static final long MAP_FAILED = -1;

    private HostMemory() {}

    static MemorySegment allocate(Arena arena, long bytes) {
        if (bytes >= LARGE_BYTES) {
            MemorySegment mapped = Mapping.CALLS == null ? null : map(Mapping.CALLS, arena, bytes);
            if (mapped != null) {
                return mapped;
            }
        }
        return arena.allocate(bytes, PAGE_BYTES);
    }

    private static @Nullable MemorySegment map(Mapping calls, Arena arena, long bytes) {
        long mappedBytes = Math.addExact(bytes, HUGE_PAGE_BYTES);
        long start = calls.map(mappedBytes);
        if (start == MAP_FAILED) {
            return null;
        }
        long aligned = (start + HUGE_PAGE_BYTES - 1) & -HUGE_PAGE_BYTES;
        calls.adviseHugePages(aligned, bytes);
        return MemorySegment.ofAddress(aligned).reinterpret(bytes, arena, ignored -> calls.unmap(start, mappedBytes));
    }

    /** {@code mmap}. */
    @FunctionalInterface
    public interface Mmap {
        long call(long address, long bytes, int protection, int flags, int file, long offset);
    }

    /** {@code madvise}. */
    @FunctionalInterface
    public interface Madvise {
        int call(long address, long bytes, int advice);
    }

    /** {@code munmap}. */
    @FunctionalInterface
    public interface Munmap {
        int call(long address, long bytes);
    }

    /** The three system calls, or none where they are not found. */
    private record Mapping(Mmap mmap, Madvise madvise, Munmap munmap) {
        static final @Nullable Mapping CALLS = find();

        private static @Nullable Mapping find() {
            // The numbers above are Linux's; other systems have others.
            if (!System.getProperty("os.name", "").toLowerCase(Locale.ROOT).startsWith("linux")) {
                return null;
            }
            try {
                ValueLayout.OfInt i = ValueLayout.JAVA_INT;
                ValueLayout.OfLong l = ValueLayout.JAVA_LONG;
                return new Mapping(
                        bind(Mmap.class, "mmap", FunctionDescriptor.of(l, l, l, i, i, i, l)),
                        bind(Madvise.class, "madvise", FunctionDescriptor.of(i, l, l, i)),
                        bind(Munmap.class, "munmap", FunctionDescriptor.of(i, l, l)));
            } catch (UnsupportedOperationException | IllegalCallerException | NoSuchElementException e) {
                LOG.debug("huge pages are not used: the system calls cannot be reached", e);
                return null;
            }
        }

        private static <T> T bind(Class<T> type, String name, FunctionDescriptor descriptor) {
            Linker linker = Linker.nativeLinker();
            MemorySegment address = linker.defaultLookup().find(name).orElseThrow();
            return MethodHandleProxies.asInterfaceInstance(type, linker.downcallHandle(address, descriptor));
        }

        long map(long bytes) {
            return mmap.call(0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
        }

        void adviseHugePages(long address, long bytes) {
            if (madvise.call(address, bytes, MADV_HUGEPAGE) != 0) {
                LOG.debug("the system refused huge pages for {} bytes", bytes);
            }
        }

        void unmap(long address, long bytes) {
            if (munmap.call(address, bytes) != 0) {
                LOG.warn("munmap of {} bytes failed", bytes);
            }
        }
    }
}
