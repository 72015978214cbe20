package io.kvmanager.bench.stress;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAccumulator;
import java.util.concurrent.atomic.LongAdder;

/** What a run counted; from any thread. */
@SuppressWarnings("EnumOrdinal") // counts are kept in flat arrays; the values never leave the process
final class StressTally {
    /** Events that pressure must bring about. */
    enum Event {
        OUT_OF_MEMORY("outOfMemory"),
        WAIT("admissionWait"),
        NEVER("admissionNever"),
        TOO_MANY("tooManySequences"),
        PREEMPTION("preemptions"),
        SUSPENSION("suspensions"),
        RESUMPTION("resumptions"),
        DROP("drops"),
        EVICTION("prefixesEvicted"),
        PREFIX_HIT("prefixHits"),
        FINISHED("requestsFinished"),
        REFUSED("requestsRefused");

        private final String text;

        Event(String text) {
            this.text = text;
        }

        /** Its name in JSON. */
        @Override
        public String toString() {
            return text;
        }
    }

    private static final int MOST_VIOLATIONS = 10;
    private static final int STEPS_PER_DOUBLING = 32;

    private final LongAdder operations = new LongAdder();
    private final LongAdder lives = new LongAdder();
    private final LongAdder rowsCompared = new LongAdder();
    private final LongAdder leakedBytes = new LongAdder();
    private final LongAccumulator deviceBytesPeak = new LongAccumulator(Math::max, 0);
    private final LongAccumulator hostBytesPeak = new LongAccumulator(Math::max, 0);
    private final AtomicLongArray events = new AtomicLongArray(Event.values().length);
    private final AtomicLongArray faults = new AtomicLongArray(Fault.values().length);
    private final AtomicLongArray steps = new AtomicLongArray(64 * STEPS_PER_DOUBLING);
    private final AtomicLong violations = new AtomicLong();
    private final List<String> firstViolations = new ArrayList<>();

    void life() {
        lives.increment();
    }

    void operation() {
        operations.increment();
    }

    void compared(int rows) {
        rowsCompared.add(rows);
    }

    void event(Event event) {
        events(event, 1);
    }

    void events(Event event, int count) {
        events.addAndGet(event.ordinal(), count);
    }

    void fault(Fault fault) {
        faults.incrementAndGet(fault.ordinal());
    }

    void leaked(long bytes) {
        leakedBytes.add(bytes);
    }

    void peaks(long deviceBytes, long hostBytes) {
        deviceBytesPeak.accumulate(deviceBytes);
        hostBytesPeak.accumulate(hostBytes);
    }

    /** A token's step took so long, the oracle not counted. */
    void step(long nanos) {
        steps.incrementAndGet((int) (Math.log((double) Math.max(1, nanos)) / Math.log(2) * STEPS_PER_DOUBLING));
    }

    synchronized void violation(String text) {
        violations.incrementAndGet();
        if (firstViolations.size() < MOST_VIOLATIONS) {
            firstViolations.add(text);
        }
    }

    long lifeCount() {
        return lives.sum();
    }

    long operationCount() {
        return operations.sum();
    }

    long rowsCompared() {
        return rowsCompared.sum();
    }

    long leakedBytes() {
        return leakedBytes.sum();
    }

    long deviceBytesPeak() {
        return deviceBytesPeak.get();
    }

    long hostBytesPeak() {
        return hostBytesPeak.get();
    }

    long count(Event event) {
        return events.get(event.ordinal());
    }

    long count(Fault fault) {
        return faults.get(fault.ordinal());
    }

    long violations() {
        return violations.get();
    }

    /** The first few, with how to see each again. */
    synchronized List<String> firstViolations() {
        return List.copyOf(firstViolations);
    }

    /** Nanoseconds that {@code share} of the token steps took at most, to within 2 %; 0 without any. */
    long stepNanos(double share) {
        long all = 0;
        for (int i = 0; i < steps.length(); i++) {
            all += steps.get(i);
        }
        long seen = 0;
        for (int i = 0; i < steps.length(); i++) {
            seen += steps.get(i);
            if (all > 0 && seen >= share * all) {
                return Math.round(Math.pow(2, (i + 1.0) / STEPS_PER_DOUBLING));
            }
        }
        return 0;
    }
}
