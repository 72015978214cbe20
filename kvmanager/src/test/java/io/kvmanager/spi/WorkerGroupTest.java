package io.kvmanager.spi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WorkerGroupTest {

    @Test
    void everyPartRunsOnce() {
        try (WorkerGroup group = WorkerGroup.of(4)) {
            for (int task = 0; task < 20_000; task++) {
                int parts = task % 9;
                AtomicIntegerArray runs = new AtomicIntegerArray(9);
                group.run(parts, runs::incrementAndGet);
                for (int part = 0; part < 9; part++) {
                    assertEquals(part < parts ? 1 : 0, runs.get(part), "task " + task);
                }
            }
        }
    }

    @Test
    void whatAPartThrowsReachesTheCallerAndTheGroupGoesOn() {
        try (WorkerGroup group = WorkerGroup.of(3)) {
            for (int round = 0; round < 200; round++) {
                assertThrows(
                        ArithmeticException.class,
                        () -> group.run(5, part -> {
                            if (part == 3) {
                                throw new ArithmeticException("part 3");
                            }
                        }));
                AtomicInteger runs = new AtomicInteger();
                group.run(5, part -> runs.incrementAndGet());
                assertEquals(5, runs.get());
            }
        }
    }

    @Test
    void callersThatMeetRunAlone() throws InterruptedException {
        try (WorkerGroup group = WorkerGroup.of(2)) {
            AtomicInteger runs = new AtomicInteger();
            CountDownLatch ended = new CountDownLatch(4);
            for (int caller = 0; caller < 4; caller++) {
                Thread.ofPlatform().start(() -> {
                    for (int task = 0; task < 5_000; task++) {
                        group.run(3, part -> runs.incrementAndGet());
                    }
                    ended.countDown();
                });
            }
            ended.await();
            assertEquals(4 * 5_000 * 3, runs.get());
        }
    }

    @Test
    void aTaskInsideATaskRunsOnItsThread() {
        try (WorkerGroup group = WorkerGroup.of(2)) {
            AtomicInteger runs = new AtomicInteger();
            group.run(4, part -> group.run(4, inner -> runs.incrementAndGet()));
            assertEquals(16, runs.get());
        }
    }

    @Test
    void anInterruptedWorkerRestsAgain() {
        try (WorkerGroup group = WorkerGroup.of(2)) {
            Set<Thread> workers = ConcurrentHashMap.newKeySet();
            while (workers.isEmpty()) {
                group.run(8, part -> {
                    if (Thread.currentThread().getName().startsWith("kv-worker")) {
                        workers.add(Thread.currentThread());
                        Thread.currentThread().interrupt();
                    }
                });
            }
            for (Thread worker : workers) {
                while (worker.isInterrupted() || worker.getState() != Thread.State.WAITING) { // it would never park
                    Thread.onSpinWait();
                }
            }
            AtomicInteger runs = new AtomicInteger();
            group.run(5, part -> runs.incrementAndGet());
            assertEquals(5, runs.get());
        }
    }

    @Test
    void theSharedGroupIsNotClosed() {
        assertThrows(IllegalStateException.class, () -> WorkerGroup.shared().close());
        assertThrows(IllegalArgumentException.class, () -> WorkerGroup.of(0));
    }
}
