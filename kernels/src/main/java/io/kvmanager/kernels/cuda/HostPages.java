package io.kvmanager.kernels.cuda;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.util.stream.LongStream;

/** Whole pages of host memory from the system, for pinning. Linux, as JCuda's library is. */
final class HostPages {
    static final long PAGE_BYTES = 4096;

    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
    private static final long MAP_FAILED = -1;
    private static final long TOUCH_BYTES = 64L << 20;

    private static final SymbolLookup LIBRARY = Linker.nativeLinker().defaultLookup();
    private static final Mmap MMAP = DriverProbe.bind(
            LIBRARY,
            Mmap.class,
            "mmap",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_LONG));
    private static final Munmap MUNMAP = DriverProbe.bind(
            LIBRARY,
            Munmap.class,
            "munmap",
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));

    private HostPages() {}

    /** {@code mmap}. */
    @FunctionalInterface
    public interface Mmap {
        long call(long address, long bytes, int protection, int flags, int file, long offset);
    }

    /** {@code munmap}. */
    @FunctionalInterface
    public interface Munmap {
        int call(long address, long bytes);
    }

    /**
     * Maps zeroed memory that is present: large pieces are touched by several threads, since pinning alone would bring
     * one page after the other.
     *
     * @param bytes a multiple of {@value #PAGE_BYTES}
     * @return the address, or 0 if the system has no more
     */
    static long map(long bytes) {
        long address = MMAP.call(0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
        if (address == MAP_FAILED) {
            return 0;
        }
        if (bytes > TOUCH_BYTES) {
            MemorySegment memory = MemorySegment.ofAddress(address).reinterpret(bytes);
            LongStream.range(0, Math.ceilDiv(bytes, TOUCH_BYTES)).parallel().forEach(piece -> {
                long end = Math.min(bytes, (piece + 1) * TOUCH_BYTES);
                for (long at = piece * TOUCH_BYTES; at < end; at += PAGE_BYTES) {
                    memory.set(ValueLayout.JAVA_BYTE, at, (byte) 0);
                }
            });
        }
        return address;
    }

    static void unmap(long address, long bytes) {
        if (MUNMAP.call(address, bytes) != 0) {
            throw new IllegalStateException("munmap of " + bytes + " bytes failed");
        }
    }
}
