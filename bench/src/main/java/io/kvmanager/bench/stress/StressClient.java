package io.kvmanager.bench.stress;

import io.kvmanager.Admission;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheException.DeviceFailure;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvCacheException.TooManySequences;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.PrefixRequest;
import io.kvmanager.StepBatch;
import io.kvmanager.TierBytes;
import io.kvmanager.bench.stress.StressTally.Event;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * One thread's share in the life of a cache: it owns sequences, does one random operation after the other, and checks
 * what each returns, throws and leaves behind.
 */
final class StressClient implements AutoCloseable {
    private static final int MOST_ROUNDS = 100_000;

    private final KvCache cache;
    private final StressSetting setting;
    private final SplittableRandom random;
    private final StressTally tally;
    private final StressTokens tokens;
    private final StressEngine engine;
    private final List<Fault> faults;
    private final List<StressSequence> open = new ArrayList<>();
    private final @Nullable QueueClient queue;
    private final boolean alone;

    /**
     * Creates a client.
     *
     * @param alone whether nobody else works on the cache, so that what it has only changes here
     * @param mayQueue whether it may have a queue of requests; two queues of one cache could wait for each other
     */
    StressClient(
            KvCache cache,
            StressSetting setting,
            StressOptions options,
            SplittableRandom random,
            StressTally tally,
            boolean alone,
            boolean mayQueue) {
        this.cache = cache;
        this.setting = setting;
        this.random = random;
        this.tally = tally;
        this.alone = alone;
        tokens = new StressTokens(setting.config(), random);
        engine = new StressEngine(setting, tally);
        faults = options.faults().stream().toList();
        queue = mayQueue && setting.suspends() && random.nextInt(3) == 0
                ? new QueueClient(cache, setting, tokens, engine, tally, random)
                : null;
    }

    /** One random operation, perhaps with a fault. */
    void operation() {
        tally.operation();
        ArmedFault armed = arm();
        if (armed == null) {
            act();
        } else {
            boolean fails;
            try (armed) {
                fails = hitBy(this::act);
            }
            account(armed, fails);
        }
        Violation.unlessClean(cache.audit());
    }

    private @Nullable ArmedFault arm() {
        if (faults.isEmpty() || random.nextInt(6) > 0) {
            return null;
        }
        Fault fault = faults.get(random.nextInt(faults.size()));
        return fault.isArmed() ? new ArmedFault(fault, random.nextInt(16), random.nextBoolean()) : null;
    }

    /** Whether an injected failure ended an action. */
    private static boolean hitBy(Runnable action) {
        try {
            action.run();
            return false;
        } catch (DeviceFailure failure) {
            return true;
        }
    }

    private void account(ArmedFault armed, boolean fails) {
        Violation.unless(
                fails == armed.failed(),
                "a call to the device %s, the operation %s",
                armed.failed() ? "failed" : "did not fail",
                fails ? "did" : "did not");
        if (armed.fired()) {
            tally.fault(armed.fault());
            boolean interrupted = Thread.interrupted();
            Violation.unless(
                    interrupted || armed.fault() != Fault.INTERRUPT, "the caller's interrupt status was lost");
        }
    }

    private void act() {
        int action = random.nextInt(100);
        if (queue != null && action < 20) {
            queueStep(queue);
            return;
        }
        if (open.isEmpty() || action < 28) {
            open();
            return;
        }
        StressSequence s = open.get(random.nextInt(open.size()));
        if (s.inStep()) {
            goOn(s);
        } else if (action < 40) {
            prompt(s);
        } else if (action < 58) {
            tokens(s);
        } else if (action < 66) {
            batch();
        } else if (action < 74) {
            fork(s);
        } else if (action < 80) {
            truncate(s);
        } else if (action < 91) {
            move(s);
        } else if (action < 93) {
            fillHost();
        } else {
            close(s);
        }
    }

    // ---- opening ----

    private void open() {
        boolean shares = setting.config().prefixes().enabled() && random.nextInt(4) > 0;
        StressTokens.Drawn drawn = tokens.draw(shares);
        PrefixRequest request = drawn.request();
        int cached = shares ? cache.cachedTokens(request) : 0;
        KvSequence sequence;
        try {
            sequence = shares ? cache.openSequence(request) : cache.openSequence();
        } catch (TooManySequences limit) {
            tally.event(Event.TOO_MANY);
            Violation.unless(
                    !alone || openCount() == setting.config().maxSequences(),
                    "%d sequences are open and no more can be, the limit is %d",
                    openCount(),
                    setting.config().maxSequences());
            return;
        } catch (OutOfMemory shortage) {
            tally.event(Event.OUT_OF_MEMORY);
            Violation.unless(shares, "an empty sequence found no memory: %s", shortage.deficit());
            return;
        }
        StressSequence s = drawn.sequence(sequence, setting.config().geometry().layers());
        open.add(s);
        s.length = sequence.length();
        Arrays.setAll(s.positions, sequence::positions);
        tally.events(Event.PREFIX_HIT, s.length > 0 ? 1 : 0);
        tally.events(Event.EVICTION, tokens.isShorterThanBefore(drawn, s.length) ? 1 : 0);
        boolean asPromised = !alone || s.length == cached;
        Violation.unless(asPromised, "a start behind %d tokens, promised were %d", s.length, cached);
    }

    private int openCount() {
        return open.size() + (queue == null ? 0 : queue.openSequences());
    }

    // ---- steps ----

    /** Runs some layers of an open step, or closes its sequence in the middle. */
    private void goOn(StressSequence s) {
        if (faults.contains(Fault.CLOSE) && random.nextInt(8) == 0) {
            tally.fault(Fault.CLOSE);
            close(s);
            return;
        }
        for (int i = random.nextInt(4); i >= 0 && s.inStep(); i--) {
            step(s, () -> engine.advance(s));
        }
    }

    /** A part of a step; a sequence that fails in it can only be closed. */
    private void step(StressSequence s, Runnable part) {
        try {
            part.run();
        } catch (DeviceFailure failure) {
            broken(s);
            throw failure;
        }
    }

    private void broken(StressSequence s) {
        open.remove(s);
        engine.closeBroken(s.sequence);
    }

    private void prompt(StressSequence s) {
        int most = s.idle() ? s.room() : 0;
        if (most > 0) {
            begin(s, 1 + random.nextInt(1 + random.nextInt(most)), true);
            if (s.inStep() && random.nextBoolean()) {
                step(s, () -> engine.complete(s));
            }
        }
    }

    private void tokens(StressSequence s) {
        for (int i = random.nextInt(12); i >= 0 && s.idle() && s.room() > 0; i--) {
            begin(s, 1, false);
            if (!s.inStep()) {
                return;
            }
            step(s, () -> engine.complete(s));
        }
    }

    private void begin(StressSequence s, int count, boolean prompt) {
        Admission answer = cache.admit(count, random.nextInt(4) == 0 ? random.nextInt(s.tokens.length) : 0);
        switch (answer) {
            case Admission.Wait _ -> tally.event(Event.WAIT);
            case Admission.Never _ -> tally.event(Event.NEVER);
            case Admission.Admit _ -> {}
        }
        boolean begun = unlessShort(() -> step(s, () -> {
            long start = System.nanoTime();
            if (prompt) {
                s.sequence.beginPrompt(count);
            } else {
                s.sequence.beginToken();
            }
            s.begun(count, prompt, System.nanoTime() - start);
        }));
        Violation.unless(
                begun || !alone || s.length > 0 || !(answer instanceof Admission.Admit), "admitted and refused");
        if (begun) {
            name(s, count);
        }
    }

    private void name(StressSequence s, int count) {
        int end = s.length + count;
        if (s.sharesPrefixes && s.named < end && random.nextBoolean()) {
            s.sequence.name(Arrays.copyOfRange(s.tokens, s.named, end));
            s.named = end;
        }
    }

    /** Whether memory was there; a refusal says what is missing and changes nothing. */
    private boolean unlessShort(Runnable action) {
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

    private void requireAsBefore(@Nullable Ledger before, String what) {
        if (before != null) {
            Ledger now = cache.ledger();
            Violation.unless(before.equals(now), "%s changed %s to %s", what, before, now);
        }
    }

    private void batch() {
        StepBatch batch = new StepBatch();
        List<StressSequence> chosen = new ArrayList<>();
        for (StressSequence s : open) {
            if (s.idle() && s.room() > 0 && random.nextInt(3) > 0) {
                chosen.add(s);
                if (random.nextInt(4) == 0) {
                    batch.prompt(s.sequence, 1 + random.nextInt(Math.min(s.room(), 9)));
                } else {
                    batch.token(s.sequence);
                }
            }
        }
        try {
            unlessShort(() -> {
                long start = System.nanoTime();
                cache.begin(batch);
                long nanos = (System.nanoTime() - start) / Math.max(1, batch.size());
                for (int i = 0; i < chosen.size(); i++) {
                    chosen.get(i).begun(batch.tokens(i), batch.isPrompt(i), nanos);
                }
            });
        } catch (DeviceFailure failure) {
            chosen.forEach(s -> {
                open.remove(s);
                s.sequence.close(); // those before the failing one were begun, those behind it were not
            });
            throw failure;
        }
    }

    // ---- everything else ----

    private void fork(StressSequence parent) {
        if (!parent.idle()) {
            return;
        }
        try {
            unchangedByFailure(parent, () -> {
                StressSequence child = parent.fork(parent.sequence.fork());
                open.add(child);
                child.requireUnmoved();
                tokens.redraw(child);
            });
        } catch (TooManySequences limit) {
            tally.event(Event.TOO_MANY);
            Violation.unless(!alone || openCount() == setting.config().maxSequences(), "too many at %d", openCount());
        }
    }

    private void truncate(StressSequence s) {
        if (!s.idle()) {
            return;
        }
        int length = random.nextInt(4) == 0 ? 0 : s.length - random.nextInt(1 + Math.min(s.length, 12));
        if (unlessShort(() -> step(s, () -> s.sequence.truncate(length)))) {
            s.truncated(length);
            tokens.redraw(s);
        }
    }

    /** Suspends or resumes. */
    private void move(StressSequence s) {
        if (!setting.suspends() || s.inStep()) {
            return;
        }
        boolean resumes = s.sequence.suspended();
        boolean admitted = resumes && cache.admit(s.sequence) instanceof Admission.Admit;
        boolean moved = unlessShort(() -> unchangedByFailure(s, () -> {
            long bytes = resumes ? s.sequence.resume() : s.sequence.suspend();
            Violation.unless(bytes <= s.sequence.deviceBytes(), "%d bytes moved", bytes);
        }));
        Violation.unless(moved || !alone || !admitted, "admitted to resume and refused");
        tally.events(resumes ? Event.RESUMPTION : Event.SUSPENSION, moved ? 1 : 0);
        s.requireUnmoved();
    }

    /** Leaves the sequence as it was when the device fails; cached prefixes may have made room already. */
    private void unchangedByFailure(StressSequence s, Runnable action) {
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

    /** Suspends one after the other until host memory is full. */
    private void fillHost() {
        if (!faults.contains(Fault.HOST_FULL) || !setting.suspends()) {
            return;
        }
        for (StressSequence s : open) {
            if (s.idle()) {
                boolean moved = unlessShort(() -> unchangedByFailure(s, s.sequence::suspend));
                tally.events(Event.SUSPENSION, moved ? 1 : 0);
                if (!moved) {
                    tally.fault(Fault.HOST_FULL);
                    return;
                }
            }
        }
    }

    private void close(StressSequence s) {
        open.remove(s);
        s.sequence.close();
    }

    private void queueStep(QueueClient running) {
        running.submitSometimes();
        try {
            if (!running.step() && !open.isEmpty()) {
                close(open.getFirst()); // others hold what its requests wait for
            }
        } catch (DeviceFailure failure) {
            running.abandon();
            throw failure;
        }
    }

    /** Ends open steps, reads everything once more where memory allows, and closes its own sequences. */
    void closeAll() {
        while (!open.isEmpty()) {
            StressSequence s = open.getFirst();
            engine.complete(s);
            if (s.sequence.suspended()) {
                move(s);
            }
            if (s.idle() && s.room() > 0) {
                begin(s, 1, false);
                engine.complete(s);
            }
            close(s);
            Violation.unlessClean(cache.audit());
        }
    }

    /** Serves all requests of its queue; nothing else is open, so none may have to wait for ever. */
    void serveAll() {
        if (queue != null) {
            for (int round = 0; queue.size() > 0; round++) {
                Violation.unless(round < MOST_ROUNDS, "%d requests do not come to an end", queue.size());
                Violation.unless(queue.step(), "%d requests, nobody runs, and memory is free", queue.size());
            }
        }
    }

    /** Behind the cache's close: every sequence says that it is closed. */
    void requireClosed() {
        for (StressSequence s : open) {
            boolean refused = false;
            try {
                s.sequence.length();
            } catch (IllegalStateException refusal) {
                refused = true;
            }
            Violation.unless(refused, "a sequence of a closed cache answers");
        }
    }

    /** Gives the engine's memory back; sequences are the cache's to close. */
    @Override
    public void close() {
        engine.close();
    }
}
