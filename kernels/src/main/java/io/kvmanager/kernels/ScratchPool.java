package io.kvmanager.kernels;

import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * Scratch memory for the threads that run the parts of one task: as many pieces as there are threads, taken and given
 * back without allocation.
 */
final class ScratchPool<T> {
    private final List<T> pieces;
    private final AtomicIntegerArray taken;

    ScratchPool(int threads, Supplier<T> piece) {
        pieces = Stream.generate(piece).limit(threads).toList();
        taken = new AtomicIntegerArray(threads);
    }

    /** Index of a free piece, now the caller's until {@link #giveBack}. */
    int take() {
        for (int i = 0; i < taken.length(); i++) {
            if (taken.compareAndSet(i, 0, 1)) {
                return i;
            }
        }
        throw new IllegalStateException("kernels of one device are called by one thread at a time");
    }

    T get(int index) {
        return pieces.get(index);
    }

    void giveBack(int index) {
        taken.set(index, 0);
    }
}
