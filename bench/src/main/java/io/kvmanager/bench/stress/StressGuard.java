package io.kvmanager.bench.stress;

import io.kvmanager.KvCache;
import io.kvmanager.KvCacheException.DeviceFailure;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.Ledger;
import io.kvmanager.TierBytes;
import io.kvmanager.bench.stress.StressTally.Event;
import org.jspecify.annotations.Nullable;

/** What must hold behind calls that are refused, or fail. */
final class StressGuard {
    private final KvCache cache;
    private final StressSetting setting;
    private final StressTally tally;
    private final boolean alone;

    /**
     * Creates a guard.
     *
     * @param alone whether the ledger changes by the guarded calls only
     */
    StressGuard(KvCache cache, StressSetting setting, StressTally tally, boolean alone) {
        this.cache = cache;
        this.setting = setting;
        this.tally = tally;
        this.alone = alone;
    }

    /** Whether memory was there; a refusal says what is missing and changes nothing. */
    boolean unlessShort(Runnable action) {
        Ledger before = alone ? cache.ledger() : null;
        try {
            action.run();
            return true;
        } catch (OutOfMemory shortage) {
            tally.event(Event.OUT_OF_MEMORY);
            Violation.unless(!shortage.deficit().equals(TierBytes.NONE), "refused, and nothing is missing");
            requireAsBefore(before, "a refusal");
            return false;
        }
    }

    /** Leaves the sequence as it was when the device fails; cached prefixes may have made room already. */
    void unchangedByFailure(StressSequence s, Runnable action) {
        boolean suspended = s.sequence.suspended();
        Ledger before = alone && !setting.config().prefixes().enabled() ? cache.ledger() : null;
        try {
            action.run();
        } catch (DeviceFailure failure) {
            Violation.unless(s.sequence.suspended() == suspended, "a failed move counts as done");
            requireAsBefore(before, "a failure");
            s.requireUnmoved();
            throw failure;
        }
    }

    private void requireAsBefore(@Nullable Ledger before, String what) {
        if (before != null) {
            Ledger now = cache.ledger();
            Violation.unless(before.equals(now), "{} changed {} to {}", what, before, now);
        }
    }
}
