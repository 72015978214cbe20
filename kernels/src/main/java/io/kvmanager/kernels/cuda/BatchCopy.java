package io.kvmanager.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.Optional;

/**
 * The driver's call that copies many pieces, which JCuda does not have. It came with CUDA 12.8 and lost a parameter in
 * CUDA 13.0, under a new name; drivers of CUDA 13 have both. Pieces of one call are copied in any order.
 */
final class BatchCopy {
    /** As of CUDA 13.0. */
    static final String NAME = "cuMemcpyBatchAsync_v2";

    /** As of CUDA 12.8. */
    static final String FIRST_NAME = "cuMemcpyBatchAsync";

    private static final long ATTRIBUTES_BYTES = 24; // CUmemcpyAttributes: source order, two locations, flags
    private static final int SOURCE_IN_STREAM_ORDER = 1; // CU_MEMCPY_SRC_ACCESS_ORDER_STREAM

    private final Call call;
    private final long attributes;
    private final long firstCopy;

    /** {@code cuMemcpyBatchAsync_v2}; addresses as numbers. */
    @FunctionalInterface
    public interface Call {
        int call(
                long targets,
                long sources,
                long bytes,
                long count,
                long attributes,
                long firstCopies,
                long attributeCount,
                long stream);
    }

    /** {@code cuMemcpyBatchAsync}, which can say which piece failed. */
    @FunctionalInterface
    public interface FirstCall {
        int call(
                long targets,
                long sources,
                long bytes,
                long count,
                long attributes,
                long firstCopies,
                long attributeCount,
                long failed,
                long stream);
    }

    private BatchCopy(Call call, Arena arena) {
        this.call = call;
        MemorySegment one = arena.allocate(ATTRIBUTES_BYTES, 8);
        one.set(JAVA_INT, 0, SOURCE_IN_STREAM_ORDER);
        attributes = one.address();
        firstCopy = arena.allocate(JAVA_LONG).address();
    }

    /** The call, in the newest form that the driver has; nothing if it is older than both. */
    static Optional<BatchCopy> find(SymbolLookup driver, Arena arena) {
        FunctionDescriptor eight = FunctionDescriptor.of(
                JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
        if (driver.find(NAME).isPresent()) {
            return Optional.of(new BatchCopy(DriverProbe.bind(driver, Call.class, NAME, eight), arena));
        }
        if (driver.find(FIRST_NAME).isPresent()) {
            FirstCall first =
                    DriverProbe.bind(driver, FirstCall.class, FIRST_NAME, eight.appendArgumentLayouts(JAVA_LONG));
            long failed = arena.allocate(JAVA_LONG).address();
            Call call = (targets, sources, bytes, count, attributes, firstCopies, attributeCount, stream) ->
                    first.call(targets, sources, bytes, count, attributes, firstCopies, attributeCount, failed, stream);
            return Optional.of(new BatchCopy(call, arena));
        }
        return Optional.empty();
    }

    /**
     * Starts the copies; sources are read when the stream comes to them.
     *
     * @param targets addresses, int64
     * @param sources addresses, int64
     * @param bytes sizes, int64
     * @param stream a stream of our own: the call refuses the default one
     * @return the driver's result
     */
    int run(MemorySegment targets, MemorySegment sources, MemorySegment bytes, int count, Raw.Stream stream) {
        return call.call(
                targets.address(),
                sources.address(),
                bytes.address(),
                count,
                attributes,
                firstCopy,
                /* attributeCount */ 1,
                stream.handle());
    }
}
