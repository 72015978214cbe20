package io.kvmanager.kernels.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;

/**
 * Asks the driver what memory an address is. Not through JCuda, which needs an object for every address: this is
 * asked for every row that an engine hands over.
 */
final class PointerQuery {
    private static final int MEMORY_TYPE = 2; // CU_POINTER_ATTRIBUTE_MEMORY_TYPE
    private static final int HOST = 1; // CU_MEMORYTYPE_HOST

    private final Attribute attribute;
    private final MemorySegment type;

    /** {@code cuPointerGetAttribute}. */
    @FunctionalInterface
    public interface Attribute {
        int call(MemorySegment value, int attribute, long address);
    }

    /** What memory an address is. */
    enum Kind {
        /** Host memory that the driver does not know: kernels cannot address it. */
        PAGEABLE,
        /** Pinned host memory. */
        PINNED,
        /** Device memory, or memory that moves by itself. */
        DEVICE
    }

    PointerQuery(Arena arena) {
        type = arena.allocate(ValueLayout.JAVA_INT);
        attribute = DriverProbe.bind(
                SymbolLookup.libraryLookup(DriverProbe.DRIVER, Arena.global()),
                Attribute.class,
                "cuPointerGetAttribute",
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG));
    }

    Kind kind(MemorySegment memory) {
        if (!memory.isNative()) {
            return Kind.PAGEABLE;
        }
        type.set(ValueLayout.JAVA_INT, 0, 0);
        int result = attribute.call(type, MEMORY_TYPE, memory.address());
        int found = type.get(ValueLayout.JAVA_INT, 0);
        if (result != 0 || found == 0) {
            return Kind.PAGEABLE;
        }
        return found == HOST ? Kind.PINNED : Kind.DEVICE;
    }
}
