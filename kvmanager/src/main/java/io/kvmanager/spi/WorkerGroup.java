package io.kvmanager.spi;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A fixed group of threads that runs the parts of one task at a time, without allocation: for kernels whose parts take
 * microseconds, where a task object per part would cost as much as the part.
 *
 * <p>The caller's thread takes part. Parts are handed out by an atomic counter. Between tasks the workers spin for a
 * short while and then park. A caller that finds the group busy runs its parts alone.
 */
public final class WorkerGroup implements AutoCloseable {
    /** One part of a task. */
    @FunctionalInterface
    public interface Part {
        void run(int part);
    }

    private static final int SPINS = 20_000;

    private final Thread[] workers;
    private final boolean endless;
    private final ReentrantLock oneTask = new ReentrantLock();
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicInteger active = new AtomicInteger();
    private final AtomicInteger epoch = new AtomicInteger();
    private volatile boolean closed;
    private volatile @Nullable Throwable failure;
    private @Nullable Part task;
    private int parts;

    private WorkerGroup(int threads, boolean endless) {
        this.endless = endless;
        workers = new Thread[threads - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] = Thread.ofPlatform().daemon().name("kv-worker-" + (i + 1)).unstarted(this::work);
            workers[i].start();
        }
    }

    private static final class Shared {
        static final WorkerGroup GROUP = new WorkerGroup(
                Math.max(1, Integer.getInteger("kv.threads", Runtime.getRuntime().availableProcessors())), true);
    }

    /** The process-wide group: a thread per processor, or as system property {@code kv.threads} says. */
    public static WorkerGroup shared() {
        return Shared.GROUP;
    }

    /** A group of its own, to be closed by whoever asked for it. */
    public static WorkerGroup of(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads " + threads + " is not accepted; accepted: 1 or more");
        }
        return new WorkerGroup(threads, false);
    }

    /** Threads that take part, the caller's included. */
    public int threads() {
        return workers.length + 1;
    }

    /** Runs {@code part.run(0..parts-1)} and returns when all have ended; throws what a part threw. */
    public void run(int parts, Part part) {
        if (parts <= 1 || workers.length == 0 || closed || oneTask.isHeldByCurrentThread() || !oneTask.tryLock()) {
            for (int i = 0; i < parts; i++) {
                part.run(i);
            }
            return;
        }
        try {
            share(parts, part);
            Throwable thrown = failure;
            failure = null;
            if (thrown instanceof Error error) {
                throw error;
            }
            if (thrown instanceof RuntimeException exception) {
                throw exception;
            }
        } finally {
            oneTask.unlock();
        }
    }

    private void share(int count, Part part) {
        task = part;
        parts = count;
        next.set(0);
        active.set(workers.length);
        epoch.incrementAndGet();
        for (Thread worker : workers) {
            LockSupport.unpark(worker);
        }
        takeParts();
        while (active.get() > 0) {
            Thread.onSpinWait();
        }
        task = null;
    }

    private void takeParts() {
        Part part = task;
        if (part == null) {
            throw new IllegalStateException("no task");
        }
        try {
            for (int i = next.getAndIncrement(); i < parts; i = next.getAndIncrement()) {
                part.run(i);
            }
        } catch (RuntimeException | Error e) {
            failure = e;
            next.set(parts);
        }
    }

    private void work() {
        int seen = 0;
        while (true) {
            for (int spins = 0; epoch.get() == seen; spins++) {
                if (spins < SPINS) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.park(this);
                }
            }
            seen++;
            if (closed) {
                return;
            }
            takeParts();
            active.decrementAndGet();
        }
    }

    /** Ends the threads; a second close does nothing. The shared group lives as long as the process. */
    @Override
    public void close() {
        if (endless) {
            throw new IllegalStateException("the shared worker group is not to be closed");
        }
        oneTask.lock();
        try {
            closed = true;
            epoch.incrementAndGet();
            for (Thread worker : workers) {
                LockSupport.unpark(worker);
            }
        } finally {
            oneTask.unlock();
        }
    }
}
