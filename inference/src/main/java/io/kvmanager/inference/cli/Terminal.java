package io.kvmanager.inference.cli;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandleProxies;
import java.util.Optional;
import java.util.function.IntUnaryOperator;

/**
 * The streams of this process. The JDK tells only whether input and output both are a terminal, so the C library is
 * asked.
 */
enum Terminal {
    STANDARD_OUTPUT(1),
    STANDARD_ERROR(2);

    private final int descriptor;

    Terminal(int descriptor) {
        this.descriptor = descriptor;
    }

    /** Whether a person watches it; false where that cannot be found out. */
    boolean isTerminal() {
        Linker linker = Linker.nativeLinker();
        Optional<MemorySegment> isatty = linker.defaultLookup().find("isatty");
        return isatty.isPresent() && call(linker, isatty.get()) != 0;
    }

    private int call(Linker linker, MemorySegment isatty) {
        MethodHandle function =
                linker.downcallHandle(isatty, FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
        return MethodHandleProxies.asInterfaceInstance(IntUnaryOperator.class, function)
                .applyAsInt(descriptor);
    }
}
