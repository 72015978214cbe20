package io.kvmanager.offload;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Tier;
import io.kvmanager.spi.Device;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Homes of blocks in host memory: one segment, carved once, a free list and a reference count per home.
 *
 * <pre>
 * memory      [capacity][blockBytes]     home h starts at byte h * blockBytes
 * references  [capacity]                 0: free
 * free        [0 .. freeCount)           the free homes, a stack
 *
 *             |---- used ----|---------- free ----------|
 *                            |- reserved -|- available -|
 * </pre>
 *
 * A reservation is a promise to {@link #take} later, so {@code reserved <= freeCount} always holds and take can only
 * fail for a caller that did not reserve.
 */
final class HostStore {
    private final int blockBytes;
    private final MemorySegment memory;
    private final int[] references;
    private final int[] free;
    private int freeCount;
    private int reserved;
    private int peakUsed;

    HostStore(Device device, CacheGeometry geometry, int capacity) {
        blockBytes = geometry.blockBytes();
        memory = device.allocate(Tier.HOST, (long) capacity * blockBytes);
        references = new int[capacity];
        free = new int[capacity];
        for (int i = 0; i < capacity; i++) {
            free[i] = capacity - 1 - i;
        }
        freeCount = capacity;
    }

    boolean tryReserve(int homes) {
        requireNotNegative(homes);
        if (homes > available()) {
            return false;
        }
        reserved += homes;
        return true;
    }

    void unreserve(int homes) {
        requireNotNegative(homes);
        if (homes > reserved) {
            throw new IllegalStateException("cannot give back " + homes + " reserved homes: " + reserved + " are");
        }
        reserved -= homes;
    }

    private static void requireNotNegative(int homes) {
        if (homes < 0) {
            throw new IllegalArgumentException(homes + " homes are not accepted; accepted: 0 or more");
        }
    }

    /** The home that {@link #take} will give, still free: what is written to it counts only once it is taken. */
    int next() {
        if (reserved == 0) {
            throw new IllegalStateException("no home is reserved: reserve before storing");
        }
        return free[freeCount - 1];
    }

    /** Takes {@link #next} from what is reserved, with one reference. */
    int take() {
        int home = next();
        reserved--;
        freeCount--;
        references[home] = 1;
        peakUsed = Math.max(peakUsed, used());
        return home;
    }

    void retain(int home) {
        requireUsed(home);
        references[home] = Math.addExact(references[home], 1);
    }

    /** Drops a reference; true if it was the last and the home is now free. */
    boolean release(int home) {
        requireUsed(home);
        references[home]--;
        if (references[home] > 0) {
            return false;
        }
        free[freeCount++] = home;
        return true;
    }

    /** References of a home; 0 for a free one. */
    int references(int home) {
        requireInRange(home);
        return references[home];
    }

    /** References of every home; not a copy. */
    int[] referenceCounts() {
        return references;
    }

    /** Throws unless the home holds a block. */
    void requireUsed(int home) {
        requireInRange(home);
        if (references[home] == 0) {
            throw new IllegalStateException("home " + home + " is free: it was released or never stored");
        }
    }

    private void requireInRange(int home) {
        if (home < 0 || home >= references.length) {
            throw new IllegalStateException("home " + home + " is not one of 0.." + (references.length - 1));
        }
    }

    MemorySegment memory() {
        return memory;
    }

    /** Byte offset of a home in {@link #memory()}. */
    long offset(int home) {
        return (long) home * blockBytes;
    }

    int used() {
        return references.length - freeCount;
    }

    int peakUsed() {
        return peakUsed;
    }

    int available() {
        return freeCount - reserved;
    }

    /** Recounts everything; a line for each thing that differs. */
    List<String> audit() {
        List<String> found = new ArrayList<>();
        int counted = 0;
        for (int home = 0; home < references.length; home++) {
            if (references[home] < 0) {
                found.add("home " + home + " has " + references[home] + " references");
            }
            counted += references[home] > 0 ? 1 : 0;
        }
        if (counted + freeCount != references.length) {
            found.add(counted + " used homes and " + freeCount + " free ones are not " + references.length);
        }
        boolean[] listed = new boolean[references.length];
        for (int i = 0; i < freeCount; i++) {
            int home = free[i];
            if (listed[home]) {
                found.add("home " + home + " is on the free list twice");
            }
            if (references[home] > 0) {
                found.add("home " + home + " is on the free list with " + references[home] + " references");
            }
            listed[home] = true;
        }
        if (reserved < 0 || reserved > freeCount) {
            found.add(reserved + " homes are reserved of " + freeCount + " free ones");
        }
        if (peakUsed < used()) {
            found.add("peak " + peakUsed + " is below the " + used() + " homes in use");
        }
        return found;
    }
}
