package io.kvmanager.bench.stress;

import io.kvmanager.Admission;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheException.DeviceFailure;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvCacheException.TooManySequences;
import io.kvmanager.KvSequence;
import io.kvmanager.PrefixRequest;
import io.kvmanager.StepBatch;
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
    private final FaultPlan faults;
    private final StressGuard guard;
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
        faults = new FaultPlan(options.faults(), random, tally);
        guard = new StressGuard(cache, setting, tally, alone);
        queue = mayQueue && setting.suspends() && random.nextInt(3) == 0
                ? new QueueClient(cache, setting, tokens, engine, tally, random)
                : null;
    }

    /** One random operation, perhaps with a fault. */
    void operation() {
        tally.operation();
        faults.run(this::act);
        Violation.unlessClean(cache.audit());
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
                    "{} sequences are open and no more can be, the limit is {}",
                    openCount(),
                    setting.config().maxSequences());
            return;
        } catch (OutOfMemory shortage) {
            tally.event(Event.OUT_OF_MEMORY);
            Violation.unless(shares, "an empty sequence found no memory: {}", shortage.deficit());
            return;
        }
        StressSequence s = drawn.sequence(sequence, setting.config().geometry().layers());
        open.add(s);
        s.length = sequence.length();
        Arrays.setAll(s.positions, sequence::positions);
        tally.events(Event.PREFIX_HIT, s.length > 0 ? 1 : 0);
        tally.events(Event.EVICTION, tokens.isShorterThanBefore(drawn, s.length) ? 1 : 0);
        int blockTokens = setting.config().geometry().blockTokens();
        boolean asPromised = s.length == cached || s.length == cached / blockTokens * blockTokens; // without a copy
        Violation.unless(!alone || asPromised, "a start behind {} tokens, promised were {}", s.length, cached);
    }

    private int openCount() {
        return open.size() + (queue == null ? 0 : queue.openSequences());
    }

    // ---- steps ----

    /** Runs some layers of an open step, or closes its sequence in the middle. */
    private void goOn(StressSequence s) {
        if (faults.includes(Fault.CLOSE) && random.nextInt(8) == 0) {
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
        boolean begun = guard.unlessShort(() -> step(s, () -> {
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
            guard.unlessShort(() -> {
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
            guard.unchangedByFailure(parent, () -> {
                StressSequence child = parent.fork(parent.sequence.fork());
                open.add(child);
                child.requireUnmoved();
                tokens.redraw(child);
            });
        } catch (TooManySequences limit) {
            tally.event(Event.TOO_MANY);
            Violation.unless(!alone || openCount() == setting.config().maxSequences(), "too many at {}", openCount());
        }
    }

    private void truncate(StressSequence s) {
        if (!s.idle()) {
            return;
        }
        int length = random.nextInt(4) == 0 ? 0 : s.length - random.nextInt(1 + Math.min(s.length, 12));
        if (guard.unlessShort(() -> step(s, () -> s.sequence.truncate(length)))) {
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
        boolean moved = guard.unlessShort(() -> guard.unchangedByFailure(s, () -> {
            long bytes = resumes ? s.sequence.resume() : s.sequence.suspend();
            Violation.unless(bytes <= s.sequence.deviceBytes(), "{} bytes moved", bytes);
        }));
        Violation.unless(moved || !alone || !admitted, "admitted to resume and refused");
        tally.events(resumes ? Event.RESUMPTION : Event.SUSPENSION, moved ? 1 : 0);
        s.requireUnmoved();
    }

    /** Suspends one after the other until host memory is full. */
    private void fillHost() {
        if (!faults.includes(Fault.HOST_FULL) || !setting.suspends()) {
            return;
        }
        for (StressSequence s : open) {
            if (s.idle()) {
                boolean moved = guard.unlessShort(() -> guard.unchangedByFailure(s, s.sequence::suspend));
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
                Violation.unless(round < MOST_ROUNDS, "{} requests do not come to an end", queue.size());
                Violation.unless(queue.step(), "{} requests, nobody runs, and memory is free", queue.size());
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
