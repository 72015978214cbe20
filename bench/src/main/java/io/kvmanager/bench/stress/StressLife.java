package io.kvmanager.bench.stress;

import io.kvmanager.CacheName;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheException.DeviceOutOfMemory;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.Ledger.Account;
import io.kvmanager.MemoryUse;
import io.kvmanager.Tier;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * One cache from open to close, drawn from one seed. What goes wrong ends the life and is noted with the command that
 * shows it again, which with one thread it does exactly.
 */
final class StressLife {
    /** Operations of a whole life, over all its threads. */
    static final int OPERATIONS = 400;

    private static final int MOST_ALLOCATIONS = 12;
    private static final long REST_NANOS = 2_000_000_000L;

    private final CacheName cache;
    private final long seed;
    private final StressOptions options;
    private final StressTally tally;
    private final SplittableRandom random;
    private final AtomicInteger operations = new AtomicInteger();
    private volatile boolean closing;

    StressLife(CacheName cache, long seed, StressOptions options, StressTally tally) {
        this.cache = cache;
        this.seed = seed;
        this.options = options;
        this.tally = tally;
        random = new SplittableRandom(seed);
    }

    /**
     * Lives.
     *
     * @param most operations at most
     * @throws OutOfMemory if a budget that was given does not hold one sequence
     */
    void run(int most) {
        tally.life();
        long liveBytes = FaultyDeviceProvider.liveBytes();
        StressSetting setting = StressSetting.draw(cache, options, random);
        KvCache open = open(setting);
        noting(() -> live(open, setting, most));
        noting(open::close);
        noting(() -> {
            long leaked = FaultyDeviceProvider.liveBytes() - liveBytes;
            tally.leaked(leaked);
            Violation.unless(leaked == 0, "the device holds {} bytes behind the cache's close", leaked);
            requireRest();
        });
    }

    /** Notes what goes wrong. */
    private void noting(Runnable part) {
        try {
            part.run();
        } catch (RuntimeException broken) {
            Thread.interrupted();
            tally.violation(replay() + ": " + described(broken));
        }
    }

    private String replay() {
        String faults = options.faults().isEmpty() ? "none" : String.join(",", names(options.faults()));
        return "kv stress --cache " + cache + " --seed " + seed + " --operations " + operations.get() + " --faults "
                + faults + " --threads " + options.threads() + " --device " + options.device()
                + (options.deviceBytes() == StressSetting.DRAWN ? "" : " --device-bytes " + options.deviceBytes())
                + (options.hostBytes() == StressSetting.DRAWN ? "" : " --host-bytes " + options.hostBytes());
    }

    private static List<String> names(Iterable<Fault> faults) {
        List<String> names = new ArrayList<>();
        faults.forEach(fault -> names.add(fault.toString()));
        return names;
    }

    private static String described(RuntimeException broken) {
        if (broken instanceof Violation) {
            return String.valueOf(broken.getMessage());
        }
        StringBuilder text = new StringBuilder("unexpected ").append(broken);
        StackTraceElement[] frames = broken.getStackTrace();
        for (int i = 0; i < Math.min(4, frames.length); i++) {
            text.append(" at ").append(frames[i]);
        }
        return text.toString();
    }

    // ---- opening ----

    private KvCache open(StressSetting setting) {
        if (options.faults().contains(Fault.ALLOCATE) && random.nextInt(3) == 0) {
            long liveBytes = FaultyDeviceProvider.liveBytes();
            int calls = random.nextInt(MOST_ALLOCATIONS);
            noting(() -> failToOpen(setting, calls, liveBytes));
        }
        return KvCache.open(setting.config());
    }

    private void failToOpen(StressSetting setting, int calls, long liveBytes) {
        boolean refused = false;
        try (ArmedFault armed = new ArmedFault(Fault.ALLOCATE, calls, false)) {
            try {
                KvCache.open(setting.config()).close();
            } catch (DeviceOutOfMemory shortage) {
                refused = true;
            }
            Violation.unless(refused == armed.fired(), "an allocation failed, and the cache opened");
            if (armed.fired()) {
                tally.fault(Fault.ALLOCATE);
            }
        }
        Violation.unless(FaultyDeviceProvider.liveBytes() == liveBytes, "a cache that did not open holds memory");
    }

    // ---- living ----

    private void live(KvCache open, StressSetting setting, int most) {
        Ledger atOpen = open.ledger();
        boolean closes = options.faults().contains(Fault.CACHE_CLOSE) && random.nextInt(4) == 0;
        List<StressClient> clients = new ArrayList<>();
        try {
            boolean alone = options.threads() == 1;
            for (int i = 0; i < options.threads(); i++) {
                clients.add(new StressClient(open, setting, options, random.split(), tally, alone, i == 0));
            }
            if (alone) {
                work(clients.getFirst(), most);
            } else {
                workTogether(open, clients, most, closes);
            }
            if (!closing) {
                MemoryUse use = open.memory();
                tally.peaks(use.deviceBytesPeak(), use.hostBytesPeak());
            }
            if (closes) {
                tally.fault(Fault.CACHE_CLOSE);
                open.close();
                clients.forEach(StressClient::requireClosed);
                requireClosed(open);
            } else {
                clients.forEach(StressClient::closeAll);
                clients.forEach(StressClient::serveAll);
                requireAsAtOpen(open, setting, atOpen);
            }
        } finally {
            clients.forEach(StressClient::close);
        }
    }

    private void work(StressClient client, int most) {
        while (operations.get() < most) {
            operations.incrementAndGet();
            client.operation();
        }
    }

    /** All clients at once, and somebody who asks the cache meanwhile, or closes it. */
    private void workTogether(KvCache open, List<StressClient> clients, int most, boolean closes) {
        AtomicInteger working = new AtomicInteger(clients.size());
        List<Thread> threads = new ArrayList<>();
        for (StressClient client : clients) {
            threads.add(Thread.ofPlatform().name("kv-stress").start(() -> {
                noting(() -> {
                    try {
                        work(client, most);
                    } catch (IllegalStateException closed) {
                        if (!closing) {
                            throw closed;
                        }
                    }
                });
                working.decrementAndGet();
            }));
        }
        while (working.get() > 0) {
            if (closes && operations.get() > most / 2) {
                closing = true;
                open.close();
                closes = false;
            } else if (!closing) {
                Violation.unless(open.ledger().imbalances().isEmpty(), "{}", open.ledger());
                MemoryUse use = open.memory();
                Violation.unless(use.deviceBytes() <= use.deviceBytesAllocated(), "{}", use);
            }
            LockSupport.parkNanos(100_000);
        }
        threads.forEach(StressLife::join);
    }

    private static void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- at the end ----

    private static void requireClosed(KvCache closed) {
        boolean refused = false;
        try {
            KvSequence sequence = closed.openSequence();
            sequence.close();
        } catch (IllegalStateException refusal) {
            refused = true;
        }
        Violation.unless(refused, "a closed cache opens a sequence");
    }

    private void requireAsAtOpen(KvCache open, StressSetting setting, Ledger atOpen) {
        Violation.unlessClean(open.audit());
        Ledger now = open.ledger();
        if (!setting.config().prefixes().enabled()) {
            long leaked = now.usedBytes(Tier.DEVICE)
                    - atOpen.usedBytes(Tier.DEVICE)
                    + now.usedBytes(Tier.HOST)
                    - atOpen.usedBytes(Tier.HOST);
            tally.leaked(leaked);
            Violation.unless(now.equals(atOpen), "all sequences are closed; {}, at open it was {}", now, atOpen);
        }
        for (Account account : Account.values()) { // cached prefixes are sealed, and are all that may be left
            boolean kept = account == Account.FREE || account == Account.SEALED;
            for (Tier tier : Tier.values()) {
                Violation.unless(
                        kept || now.bytes(tier, account) == atOpen.bytes(tier, account),
                        "all sequences are closed and {} {} holds {} bytes",
                        tier,
                        account,
                        now.bytes(tier, account));
            }
        }
    }

    /** A worker that stays interrupted cannot park: it would turn for ever. */
    private void requireRest() {
        if (!options.faults().contains(Fault.INTERRUPT)) {
            return;
        }
        long deadline = System.nanoTime() + REST_NANOS;
        while (ArmedFault.workers().anyMatch(Thread::isInterrupted)) {
            Violation.unless(System.nanoTime() < deadline, "an interrupted worker does not come to rest");
            LockSupport.parkNanos(1_000_000);
        }
    }
}
