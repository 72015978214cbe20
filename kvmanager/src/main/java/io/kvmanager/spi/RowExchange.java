package io.kvmanager.spi;

import java.lang.foreign.MemorySegment;

/**
 * How rows of q, k, v and out cross between an engine's memory and memory that kernels can address. Rows that kernels
 * can address already are passed on as they are. One step of one layer at a time.
 */
public interface RowExchange {
    /** For devices whose kernels work on the engine's memory. */
    RowExchange DIRECT = new RowExchange() {};

    /** Queries for the kernels. */
    default MemorySegment queries(MemorySegment q) {
        return q;
    }

    /** Keys for the kernels. */
    default MemorySegment keys(MemorySegment k) {
        return k;
    }

    /** Values for the kernels. */
    default MemorySegment values(MemorySegment v) {
        return v;
    }

    /** Where kernels write what {@code out} is to receive. */
    default MemorySegment output(MemorySegment out) {
        return out;
    }

    /** Brings the output to {@code out}; if that is memory which the engine reads directly, waits for it. */
    default void deliver(MemorySegment out) {}
}
