package io.kvmanager.kernels;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandleProxies;
import org.jspecify.annotations.Nullable;

/**
 * Asks the processor for cache lines that will be read soon.
 *
 * <p>Scattered tiles come from DRAM while the ones before them are computed on only if something asks for them early.
 * Loads cannot: a load holds its place in the processor's window until its data is there, and the window is shorter
 * than DRAM is slow. A prefetch instruction retires at once, but Java has none. So there is a page with 35 bytes of
 * machine code, called without the transitions of an ordinary native call (2 to 4 ns):
 *
 * <pre>
 * next: prefetcht1 [rdi]      four streams, a line of each in turn
 *       prefetcht1 [rsi]
 *       prefetcht1 [rdx]
 *       prefetcht1 [rcx]
 *       add rdi, 64 ..        and rsi, rdx, rcx
 *       sub r8, 64
 *       jg next
 *       ret
 * </pre>
 *
 * <p>A prefetch reads nothing that a program could see and faults nowhere, so addresses need not be valid. Where the
 * page cannot be had (another processor or system, a policy against executable pages) or is not wanted ({@code
 * -Dkv.prefetch=false}) there is none.
 */
final class Prefetch {
    /** Lines of four streams. */
    @FunctionalInterface
    public interface Lines {
        /** Asks for {@code bytes}, more than 0, behind each of four addresses. */
        void ahead(long address0, long address1, long address2, long address3, long bytes);
    }

    /** The way to ask, or null. */
    static final @Nullable Lines LINES = find();

    static final int LINE_BYTES = 64;

    private Prefetch() {}

    private static @Nullable Lines find() {
        SystemCalls calls = SystemCalls.CALLS;
        boolean wanted = Boolean.parseBoolean(System.getProperty("kv.prefetch", "true"));
        if (!wanted || calls == null || !"amd64".equals(System.getProperty("os.arch"))) {
            return null;
        }
        byte[] code = code();
        long page = calls.map(code.length);
        if (page == SystemCalls.MAP_FAILED) {
            return null;
        }
        MemorySegment.ofAddress(page).reinterpret(code.length).copyFrom(MemorySegment.ofArray(code));
        if (calls.mprotect().call(page, code.length, SystemCalls.PROT_READ_EXECUTE) != 0) {
            calls.unmap(page, code.length);
            return null;
        }
        ValueLayout.OfLong l = ValueLayout.JAVA_LONG;
        return MethodHandleProxies.asInterfaceInstance(
                Lines.class,
                Linker.nativeLinker()
                        .downcallHandle(
                                MemorySegment.ofAddress(page),
                                FunctionDescriptor.ofVoid(l, l, l, l, l),
                                Linker.Option.critical(false)));
    }

    private static byte[] code() {
        int[] code = {
            0x0f,
            0x18,
            0x17, // next: prefetcht1 [rdi]
            0x0f,
            0x18,
            0x16, // prefetcht1 [rsi]
            0x0f,
            0x18,
            0x12, // prefetcht1 [rdx]
            0x0f,
            0x18,
            0x11, // prefetcht1 [rcx]
            0x48,
            0x83,
            0xc7,
            LINE_BYTES, // add rdi, 64
            0x48,
            0x83,
            0xc6,
            LINE_BYTES, // add rsi, 64
            0x48,
            0x83,
            0xc2,
            LINE_BYTES, // add rdx, 64
            0x48,
            0x83,
            0xc1,
            LINE_BYTES, // add rcx, 64
            0x49,
            0x83,
            0xe8,
            LINE_BYTES, // sub r8, 64
            0x7f,
            0xde, // jg next
            0xc3, // ret
        };
        byte[] bytes = new byte[code.length];
        for (int i = 0; i < code.length; i++) {
            bytes[i] = (byte) code[i];
        }
        return bytes;
    }
}
