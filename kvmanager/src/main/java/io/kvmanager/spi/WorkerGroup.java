package io.kvmanager.spi;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A fixed group of threads that runs the parts of one task at a time, without allocation: for kernels whose parts take
 * microseconds, where a task object per part would cost as much as the part.
 *
 * <p>The caller's thread takes part. A part is claimed by counting up the ticket:
 *
 * <pre>
 * ticket = task number (32 bits) | parts (16 bits) | next part (16 bits)
 * </pre>
 *
 * 1. The caller publishes a new ticket. 2. Everybody claims parts by compare-and-set until there are none; a claim that
 * succeeds proves that the task is still running, so its fields may be read. 3. The caller returns when as many parts
 * have ended as there were. It never waits for a worker that has not claimed anything: on a busy machine the caller
 * simply runs most parts itself. Between tasks the workers spin for a short while and then park. A caller that finds
 * the group busy runs its parts alone.
 */
public final class WorkerGroup implements AutoCloseable {
    /** One part of a task. */
    @FunctionalInterface
    public interface Part {
        void run(int part);
    }

    private static final int SPINS = 20_000;
    private static final int MAX_PARTS = 0xffff;

    private final Thread[] workers;
    private final boolean endless;
    private final ReentrantLock oneTask = new ReentrantLock();
    private final AtomicLong ticket = new AtomicLong();
    private final AtomicInteger ended = new AtomicInteger();
    private final AtomicInteger parked = new AtomicInteger();
    private volatile boolean closed;
    private volatile @Nullable Throwable failure;
    private volatile @Nullable Part task;

    private WorkerGroup(int threads, boolean endless) {
        this.endless = endless;
        workers = new Thread[threads - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] =
                    Thread.ofPlatform().daemon().name("kv-worker-" + (i + 1)).unstarted(this::work);
            workers[i].start();
        }
    }

    private static final class Shared {
        static final WorkerGroup GROUP = new WorkerGroup(
                Math.max(
                        1, Integer.getInteger("kv.threads", Runtime.getRuntime().availableProcessors())),
                true);
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

    /**
     * Runs {@code part.run(0..parts-1)} and returns when all have ended; throws what a part threw.
     *
     * @param parts at most 65535
     */
    public void run(int parts, Part part) {
        if (parts > MAX_PARTS) {
            throw new IllegalArgumentException(parts + " parts; accepted: at most " + MAX_PARTS);
        }
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

    private void share(int parts, Part part) {
        task = part;
        ended.set(0);
        ticket.set(((ticket.get() >>> 32) + 1) << 32 | (long) parts << 16);
        wake();
        takeParts();
        while (ended.get() < parts) {
            Thread.onSpinWait();
        }
        task = null;
    }

    private void wake() {
        if (parked.get() > 0) {
            for (Thread worker : workers) {
                LockSupport.unpark(worker);
            }
        }
    }

    private void takeParts() {
        for (long seen = ticket.get(); hasParts(seen); seen = ticket.get()) {
            if (ticket.compareAndSet(seen, seen + 1)) {
                runPart((int) (seen & MAX_PARTS));
            }
        }
    }

    private static boolean hasParts(long seen) {
        return (seen & MAX_PARTS) < (seen >>> 16 & MAX_PARTS);
    }

    private void runPart(int index) {
        Part part = task;
        try {
            if (part != null && failure == null) {
                part.run(index);
            }
        } catch (RuntimeException | Error e) {
            failure = e;
        } finally {
            ended.incrementAndGet();
        }
    }

    private void work() {
        while (!closed) {
            int spins = 0;
            while (!hasParts(ticket.get()) && !closed) {
                if (spins++ < SPINS) {
                    Thread.onSpinWait();
                } else {
                    parked.incrementAndGet();
                    if (!hasParts(ticket.get()) && !closed) {
                        LockSupport.park(this);
                    }
                    Thread.interrupted(); // nobody's signal to us, and a thread that is interrupted does not park
                    parked.decrementAndGet();
                }
            }
            takeParts();
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
            for (Thread worker : workers) {
                LockSupport.unpark(worker);
            }
        } finally {
            oneTask.unlock();
        }
    }
}
