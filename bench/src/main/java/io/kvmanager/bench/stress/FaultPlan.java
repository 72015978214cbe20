package io.kvmanager.bench.stress;

import io.kvmanager.KvCacheException.DeviceFailure;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** Arms a fault for some of a client's operations, and compares what it did with how the operation ended. */
final class FaultPlan {
    private final List<Fault> faults;
    private final SplittableRandom random;
    private final StressTally tally;

    FaultPlan(Set<Fault> faults, SplittableRandom random, StressTally tally) {
        this.faults = List.copyOf(faults);
        this.random = random;
        this.tally = tally;
    }

    boolean includes(Fault fault) {
        return faults.contains(fault);
    }

    /** Runs an operation, perhaps with a fault, which it must let through. */
    void run(Runnable operation) {
        ArmedFault armed = arm();
        if (armed == null) {
            operation.run();
            return;
        }
        boolean fails;
        try (armed) {
            fails = isFailedBy(operation);
        }
        Violation.unless(
                fails == armed.failed(),
                "a call to the device {}, the operation {}",
                armed.failed() ? "failed" : "did not fail",
                fails ? "did" : "did not");
        if (armed.fired()) {
            tally.fault(armed.fault());
            boolean interrupted = Thread.interrupted();
            Violation.unless(interrupted || armed.fault() != Fault.INTERRUPT, "the caller's interrupt status was lost");
        }
    }

    private @Nullable ArmedFault arm() {
        if (faults.isEmpty() || random.nextInt(6) > 0) {
            return null;
        }
        Fault fault = faults.get(random.nextInt(faults.size()));
        boolean rare = fault == Fault.COPY || fault == Fault.DELAY;
        return fault.isArmed() ? new ArmedFault(fault, random.nextInt(rare ? 3 : 16), random.nextBoolean()) : null;
    }

    private static boolean isFailedBy(Runnable operation) {
        try {
            operation.run();
            return false;
        } catch (DeviceFailure failure) {
            return true;
        }
    }
}
