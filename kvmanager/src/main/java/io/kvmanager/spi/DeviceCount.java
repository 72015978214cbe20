package io.kvmanager.spi;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A count, such as a layer's slots, that a decode step's kernels read from device memory when they run. A captured step
 * therefore never works with the count of the step it was captured in. The host knows the count too, and its limit.
 */
public final class DeviceCount {
    private final IntTable table;
    private final int index;
    private final int limit;
    private final MemorySegment memory;

    /**
     * Creates a view; the entry keeps what it holds.
     *
     * @param table holds the count
     * @param index its entry
     * @param limit largest value it can take: what the launches of a captured step must have room for
     */
    public DeviceCount(IntTable table, int index, int limit) {
        this.table = table;
        this.index = Objects.checkIndex(index, table.size());
        this.limit = limit;
        this.memory = table.memory().asSlice(4L * index, 4);
    }

    /** The count as the host last set it. */
    public int value() {
        return table.get(index);
    }

    /** Sets the count for kernels launched from here on. */
    public void set(int value) {
        if (value < 0 || value > limit) {
            throw new IllegalArgumentException("count " + value + " is not accepted; accepted: 0 to " + limit);
        }
        table.set(index, value);
    }

    /** Largest value. */
    public int limit() {
        return limit;
    }

    /** One int32 in device memory. */
    public MemorySegment memory() {
        return memory;
    }
}
