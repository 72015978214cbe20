package io.kvmanager.kernels;

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

/** Linux's calls for mapped memory, or none where they are not found. */
record SystemCalls(Mmap mmap, Madvise madvise, Mprotect mprotect, Munmap munmap) {
    static final @Nullable SystemCalls CALLS = find();
    static final long MAP_FAILED = -1;
    static final int PROT_READ_EXECUTE = 5;
    static final int MADV_HUGEPAGE = 14;

    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;

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

    /** {@code mprotect}. */
    @FunctionalInterface
    public interface Mprotect {
        int call(long address, long bytes, int protection);
    }

    /** {@code munmap}. */
    @FunctionalInterface
    public interface Munmap {
        int call(long address, long bytes);
    }

    private static @Nullable SystemCalls find() {
        // The numbers above are Linux's; other systems have others.
        if (!System.getProperty("os.name", "").toLowerCase(Locale.ROOT).startsWith("linux")) {
            return null;
        }
        try {
            ValueLayout.OfInt i = ValueLayout.JAVA_INT;
            ValueLayout.OfLong l = ValueLayout.JAVA_LONG;
            return new SystemCalls(
                    bind(Mmap.class, "mmap", FunctionDescriptor.of(l, l, l, i, i, i, l)),
                    bind(Madvise.class, "madvise", FunctionDescriptor.of(i, l, l, i)),
                    bind(Mprotect.class, "mprotect", FunctionDescriptor.of(i, l, l, i)),
                    bind(Munmap.class, "munmap", FunctionDescriptor.of(i, l, l)));
        } catch (UnsupportedOperationException | IllegalCallerException | NoSuchElementException e) {
            logger().debug("memory is not mapped by the kernels: the system calls cannot be reached", e);
            return null;
        }
    }

    private static Logger logger() {
        return LoggerFactory.getLogger(SystemCalls.class);
    }

    private static <T> T bind(Class<T> type, String name, FunctionDescriptor descriptor) {
        Linker linker = Linker.nativeLinker();
        MemorySegment address = linker.defaultLookup().find(name).orElseThrow();
        return MethodHandleProxies.asInterfaceInstance(type, linker.downcallHandle(address, descriptor));
    }

    /** New zeroed pages to read and write; their address, or {@link #MAP_FAILED}. */
    long map(long bytes) {
        return mmap.call(0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
    }

    void unmap(long address, long bytes) {
        if (munmap.call(address, bytes) != 0) {
            logger().warn("munmap of {} bytes failed", bytes);
        }
    }
}
