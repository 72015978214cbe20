package io.kvmanager.paging;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Launches that complete in virtual time: any time later, and in any order that keeps what touches the same bytes in
 * the order of the launches. Which one completes next, and when, comes from the seed. A depth of 0 completes each
 * launch at once.
 */
final class VirtualStream {
    private final SplittableRandom random;
    private final int depth;
    private final List<Launch> pending = new ArrayList<>();

    VirtualStream(SplittableRandom random, int depth) {
        this.random = random;
        this.depth = depth;
    }

    /** One launch: what it reads and writes, and what it does when it completes. */
    final class Launch {
        private long[] ranges = new long[32]; // start and end address, one after the other
        private boolean[] written = new boolean[16];
        private int count;
        private Runnable effect = () -> {};

        Launch reads(MemorySegment memory) {
            return add(memory, false);
        }

        Launch writes(MemorySegment memory) {
            return add(memory, true);
        }

        private Launch add(MemorySegment memory, boolean write) {
            if (memory.isNative() && memory.byteSize() > 0) { // what is on the heap is a copy that nobody changes
                if (count == written.length) {
                    ranges = Arrays.copyOf(ranges, 4 * count);
                    written = Arrays.copyOf(written, 2 * count);
                }
                ranges[2 * count] = memory.address();
                ranges[2 * count + 1] = memory.address() + memory.byteSize();
                written[count++] = write;
            }
            return this;
        }

        private boolean conflicts(Launch other) {
            for (int i = 0; i < count; i++) {
                for (int j = 0; j < other.count; j++) {
                    boolean overlap =
                            ranges[2 * i] < other.ranges[2 * j + 1] && other.ranges[2 * j] < ranges[2 * i + 1];
                    if (overlap && (written[i] || other.written[j])) {
                        return true;
                    }
                }
            }
            return false;
        }

        void go(Runnable what) {
            if (depth == 0) {
                what.run();
                return;
            }
            effect = what;
            pending.add(this);
            while (pending.size() > depth || (!pending.isEmpty() && random.nextInt(4) == 0)) {
                completeOne();
            }
        }
    }

    Launch launch() {
        return new Launch();
    }

    /** Completes everything. */
    void drain() {
        while (!pending.isEmpty()) {
            completeOne();
        }
    }

    private void completeOne() {
        int at = random.nextInt(pending.size());
        while (!ready(at)) {
            at = (at + 1) % pending.size();
        }
        pending.remove(at).effect.run();
    }

    private boolean ready(int at) {
        for (int before = 0; before < at; before++) {
            if (pending.get(at).conflicts(pending.get(before))) {
                return false;
            }
        }
        return true;
    }
}
