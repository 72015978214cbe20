package io.kvmanager.spi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * An int32 table that the host reads and writes and that kernels read in device memory: block tables, tables of homes,
 * counts. Kernels that are launched after a {@link #set} see it, those launched before do not.
 */
public interface IntTable {

    /** Entries. */
    int size();

    /** What was last {@link #set}; never waits for the device. */
    int get(int index);

    /** Changes an entry, in the order of the device's kernels. Allocates nothing. */
    void set(int index, int value);

    /** Changes entries {@code from..to-1}. */
    default void fill(int from, int to, int value) {
        for (int i = from; i < to; i++) {
            set(i, value);
        }
    }

    /** Where kernels find it, {@code [size]} int32 in device memory. */
    MemorySegment memory();

    /** A table in memory that host and kernels share. */
    static IntTable over(MemorySegment memory) {
        return new IntTable() {
            @Override
            public int size() {
                return (int) (memory.byteSize() / 4);
            }

            @Override
            public int get(int index) {
                return memory.getAtIndex(ValueLayout.JAVA_INT, index);
            }

            @Override
            public void set(int index, int value) {
                memory.setAtIndex(ValueLayout.JAVA_INT, index, value);
            }

            @Override
            public MemorySegment memory() {
                return memory;
            }
        };
    }
}
