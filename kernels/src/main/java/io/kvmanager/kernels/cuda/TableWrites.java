package io.kvmanager.kernels.cuda;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Table entries that the host has set and the device does not know yet. They wait in the parameters of the kernel that
 * writes them, which is launched ahead of whatever is launched next: no buffer is shared with the device, so nothing
 * can change under it.
 *
 * <pre>
 * parameters   int32 count | int32 values [MAX] | 4 bytes | int64 addresses [MAX]
 * </pre>
 */
final class TableWrites {
    private static final long VALUES = 4;
    private static final long ADDRESSES = VALUES + 4L * KernelLayout.MAX_INT_WRITES + 4;
    private static final int WARP = 32;

    /** Bytes of the parameters. */
    static final int BYTES = (int) ADDRESSES + 8 * KernelLayout.MAX_INT_WRITES;

    private final CudaContext context;
    private final Kernel kernel;
    private final MemorySegment parameters;
    private int count;

    TableWrites(CudaDevice device) {
        context = device.context();
        kernel = new Kernel(device, "rows", "write_ints", BYTES);
        parameters = kernel.cell(0, BYTES);
    }

    /** Notes that the int32 at {@code address} becomes {@code value} for everything launched from here on. */
    void add(long address, int value) {
        if (count == KernelLayout.MAX_INT_WRITES) {
            context.enterOutsideOfCapture("so many table entries");
            flush();
        }
        parameters.set(ValueLayout.JAVA_INT, VALUES + 4L * count, value);
        parameters.set(ValueLayout.JAVA_LONG, ADDRESSES + 8L * count, address);
        count++;
    }

    /** Launches what waits. Inside of a capture nothing is launched: entries do not belong to the recorded step. */
    void flush() {
        if (count > 0 && !context.capturing()) {
            parameters.set(ValueLayout.JAVA_INT, 0, count);
            count = 0;
            kernel.launch(1, 1, 1, WARP);
        }
    }
}
