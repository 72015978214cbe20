package io.kvmanager.bench.stress;

import io.kvmanager.KvCacheException.DeviceFailure;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One fault that will happen in one of the next calls that the arming thread makes to a faulty device. The thread that
 * runs an operation is the one that launches its kernels, so no other operation can be hit.
 */
final class ArmedFault implements AutoCloseable {
    private static final ThreadLocal<@Nullable ArmedFault> OF_THREAD = new ThreadLocal<>();
    private static final long DELAY_NANOS = 200_000;
    private static final String WORKERS = "kv-worker-";

    private final Fault fault;
    private final boolean late;
    private int callsLeft;
    private boolean fired;

    /**
     * Arms a fault for the present thread, until it is closed.
     *
     * @param calls concerned calls that still succeed
     * @param late whether a failing call has done its work when it fails
     */
    ArmedFault(Fault fault, int calls, boolean late) {
        this.fault = fault;
        this.callsLeft = calls;
        this.late = late;
        OF_THREAD.set(this);
    }

    /** What the present thread has armed, or null. */
    static @Nullable ArmedFault ofThread() {
        return OF_THREAD.get();
    }

    Fault fault() {
        return fault;
    }

    /** Whether it has happened. */
    boolean fired() {
        return fired;
    }

    /** Whether it has happened, and its call failed. */
    boolean failed() {
        return fired && (fault == Fault.KERNEL || fault == Fault.COPY);
    }

    /** Whether the device has no memory for this allocation. */
    boolean failsAllocation() {
        boolean fails = fault == Fault.ALLOCATE && !fired && callsLeft-- == 0;
        fired |= fails;
        return fails;
    }

    /** Before a device's call. */
    void before(String method) {
        if (!fired && fault.concerns(method) && callsLeft-- == 0 && !isLate()) {
            fire(method);
        }
    }

    /** Behind it. */
    void after(String method) {
        if (!fired && fault.concerns(method) && callsLeft < 0) {
            fire(method);
        }
    }

    private boolean isLate() {
        return late && (fault == Fault.KERNEL || fault == Fault.COPY);
    }

    private void fire(String method) {
        fired = true;
        switch (fault) {
            case DELAY -> LockSupport.parkNanos(DELAY_NANOS);
            case INTERRUPT -> {
                workers().forEach(Thread::interrupt);
                Thread.currentThread().interrupt();
            }
            default -> throw new DeviceFailure(method, "INJECTED", false, "a fault of kv stress");
        }
    }

    /** The kernels' worker threads. */
    static Stream<Thread> workers() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith(WORKERS));
    }

    @Override
    public void close() {
        OF_THREAD.remove();
    }
}
