package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.ValueSelection;
import io.kvmanager.serving.PreemptionOrder;
import io.kvmanager.serving.Request;
import io.kvmanager.serving.Request.State;
import io.kvmanager.serving.RequestQueue;
import io.kvmanager.serving.StepPlan;
import io.kvmanager.testing.EngineDouble;
import io.kvmanager.testing.LeakCheck;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A queue in front of a cache that is too small, with an engine whose every output is compared. */
class RequestQueueTest {
    private static final CacheGeometry GEOMETRY = new CacheGeometry(2, 2, 1, 4, 4, ElementType.F32);
    private static final int MOST_TOKENS = 64;

    @RegisterExtension
    final LeakCheck leaks = new LeakCheck();

    private final Map<Request, EngineDouble> engines = new HashMap<>();
    private final Map<Request, Long> preemptedAt = new HashMap<>();
    private final List<Request> finished = new ArrayList<>();
    private final Set<Request> outside = new LinkedHashSet<>(); // submitted and never begun, by arrival
    private long suspensions;
    private long drops;

    @AfterEach
    void closeEngines() {
        engines.values().forEach(EngineDouble::close);
    }

    private static KvCacheConfig.Builder builder(CacheName cache) {
        return KvCacheConfig.builder(cache, GEOMETRY)
                .device("host:plain")
                .maxSequenceTokens(MOST_TOKENS)
                .selection(new ValueSelection.TopN(64))
                .recentTokens(8);
    }

    /** A cache with device memory for {@code sequences} sequences of the greatest length. */
    private KvCache cache(CacheName name, int sequences, int maxSequences, int hostBlocks) {
        KvCacheConfig some = builder(name).maxSequences(sequences).build();
        KvCacheConfig all = builder(name).maxSequences(maxSequences).build();
        long slab = KvCache.plan(some).slabBytes();
        long beside = KvCache.plan(all).tableBytes() + KvCache.plan(all).workspaceBytes();
        return leaks.open(builder(name)
                .maxSequences(maxSequences)
                .deviceBytes(slab + beside)
                .hostBytes((long) hostBlocks * GEOMETRY.blockBytes())
                .build());
    }

    private EngineDouble engine(Request request) {
        return engines.computeIfAbsent(
                request, key -> new EngineDouble(GEOMETRY, key.arrival(), MOST_TOKENS)); // content is the request's own
    }

    /** Runs one plan and checks what no plan may do. */
    private StepPlan step(RequestQueue queue) {
        StepPlan plan = queue.nextStep();
        leaks.audit();
        suspensions += plan.suspended().size();
        drops += plan.dropped().size();
        for (Request request : plan.resumed()) {
            assertEntersBehindADeparture(request, plan);
        }
        assertWaitsForEarlierOnes(plan);
        for (StepPlan.Prompt prompt : plan.prompts()) {
            assertEntersBehindADeparture(prompt.request(), plan);
            engine(prompt.request()).begunPrompt(prompt.request().sequence(), prompt.tokens());
        }
        for (Request request : plan.tokens()) {
            engine(request).begunToken(request.sequence());
        }
        plan.suspended().forEach(request -> preemptedAt.put(request, (long) finished.size()));
        plan.dropped().forEach(request -> preemptedAt.put(request, (long) finished.size()));
        List<Request> computed = new ArrayList<>(plan.tokens());
        plan.prompts().forEach(prompt -> computed.add(prompt.request()));
        for (Request request : computed) {
            if (request.sequence().length() == request.promptTokens() + request.newTokens()) {
                queue.finish(request);
                finished.add(request);
            }
        }
        return plan;
    }

    /** First come, first begun: so who waits, waits for the steps of those who came before, and for nobody else. */
    private void assertWaitsForEarlierOnes(StepPlan plan) {
        plan.refused().forEach(refusal -> outside.remove(refusal.request()));
        for (StepPlan.Prompt prompt : plan.prompts()) {
            if (outside.contains(prompt.request())) {
                assertEquals(outside.iterator().next(), prompt.request(), "somebody who came later is begun first");
                outside.remove(prompt.request());
            }
        }
        long first =
                outside.isEmpty() ? Long.MAX_VALUE : outside.iterator().next().arrival();
        List<Request> computes = new ArrayList<>(plan.tokens());
        plan.prompts().forEach(prompt -> computes.add(prompt.request()));
        assertTrue(
                computes.stream().allMatch(request -> request.arrival() < first),
                () -> "request " + first + " waits for one that came later");
    }

    private void assertEntersBehindADeparture(Request request, StepPlan plan) {
        boolean alone = plan.tokens().size() + plan.prompts().size() == 1
                || plan.tokens().stream().allMatch(plan.resumed()::contains);
        assertTrue(
                alone || preemptedAt.getOrDefault(request, -1L) < finished.size(),
                () -> "request " + request.arrival() + " is back before anybody has left");
    }

    private void runToTheEnd(RequestQueue queue, int mostSteps) {
        for (int i = 0; queue.size() > 0; i++) {
            assertFalse(step(queue).isEmpty(), "step " + i + " computes nothing");
            assertTrue(i < mostSteps, "no end in sight after " + i + " steps");
        }
    }

    @Test
    void twoThatFitOneAtATimeBothFinish() {
        KvCache cache = cache(CacheName.PAGED, 1, 2, 0);
        try (RequestQueue queue = new RequestQueue(cache, PreemptionOrder.NEWEST)) {
            Request first = queue.submit(40, 24, 0);
            Request second = queue.submit(40, 24, 0);
            runToTheEnd(queue, 200);
            assertEquals(List.of(first, second), finished);
            assertEquals(State.FINISHED, second.state());
            assertThrows(IllegalStateException.class, second::sequence);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1000, PAGED, NEWEST, 400",
        "300, PAGED, LEAST_WORK_LOST, 60",
        "300, PAGED, LOWEST_PRIORITY, 0",
        "300, PYRAMID, LEAST_WORK_LOST, 400",
        "300, KCACHE, NEWEST, 600",
        "1000, PYRAMID_KCACHE, LOWEST_PRIORITY, 300"
    })
    void manyClientsOverACacheForTenAllFinish(int clients, CacheName name, PreemptionOrder order, int hostBlocks) {
        long seed = 20261121;
        Random random = new Random(seed);
        int homes = name == CacheName.KCACHE || name == CacheName.PYRAMID_KCACHE ? hostBlocks + 200 : hostBlocks;
        KvCache cache = cache(name, 10, 24, homes);
        try (RequestQueue queue = new RequestQueue(cache, order)) {
            List<Request> all = new ArrayList<>();
            for (int i = 0; i < clients; i++) {
                int prompt = 1 + random.nextInt(20);
                all.add(queue.submit(prompt, random.nextInt(44), random.nextInt(3)));
            }
            outside.addAll(all);
            runToTheEnd(queue, 60_000);
            assertEquals(clients, finished.size(), "seed " + seed);
            assertEquals(Set.of(), outside, "all were begun, in the order of their arrival");
            assertTrue(all.stream().allMatch(request -> request.state() == State.FINISHED));
            assertTrue(suspensions + drops > 0, "the cache is too small for what runs");
            assertTrue(hostBlocks > 0 || suspensions == 0);
        }
    }

    @Test
    void whatCannotFitIsRefusedAndTheRestServed() {
        KvCache cache = cache(CacheName.PAGED, 1, 4, 0);
        try (RequestQueue queue = new RequestQueue(cache, PreemptionOrder.NEWEST)) {
            queue.submit(10, 10, 0);
            Request tooLong = queue.submit(60, 5, 0);
            queue.submit(10, 10, 0);
            StepPlan plan = step(queue);
            assertEquals(tooLong, plan.refused().getFirst().request());
            assertTrue(plan.refused().getFirst().reason().contains("maxSequenceTokens"));
            assertEquals(State.REFUSED, tooLong.state());
            assertThrows(IllegalStateException.class, () -> queue.finish(tooLong));
            runToTheEnd(queue, 100);
            assertEquals(2, finished.size());
        }
    }

    @ParameterizedTest
    @CsvSource({"NEWEST, 2", "LOWEST_PRIORITY, 1", "LEAST_WORK_LOST, 0"})
    void theOrderSaysWhoGoes(PreemptionOrder order, int expected) {
        KvCache cache = cache(CacheName.PAGED, 1, 3, 200);
        try (RequestQueue queue = new RequestQueue(cache, order)) {
            List<Request> all = List.of(queue.submit(4, 60, 7), queue.submit(16, 48, 1), queue.submit(12, 52, 5));
            StepPlan plan = step(queue);
            while (plan.suspended().isEmpty()) {
                plan = step(queue);
            }
            assertEquals(List.of(all.get(expected)), plan.suspended());
            assertEquals(State.SUSPENDED, all.get(expected).state());
            runToTheEnd(queue, 1000);
        }
    }

    @Test
    void whatIsCheaperToComputeAgainIsDropped() {
        KvCache cache = cache(CacheName.PAGED, 1, 2, 200);
        AtomicLong clock = new AtomicLong();
        try (RequestQueue queue =
                new RequestQueue(cache, PreemptionOrder.NEWEST, () -> clock.addAndGet(1_000_000_000))) {
            queue.submit(20, 44, 0);
            Request second = queue.submit(20, 44, 0);
            StepPlan plan = step(queue);
            while (plan.suspended().isEmpty()) {
                plan = step(queue);
            }
            assertEquals(List.of(second), plan.suspended(), "nothing is known yet, so it moves");
            while (second.state() == State.SUSPENDED) {
                step(queue);
            }
            queue.prefilled(1000, 1000); // a nanosecond a token, against a second a move
            Request third = queue.submit(20, 44, 0);
            plan = step(queue);
            while (plan.dropped().isEmpty()) {
                assertEquals(List.of(), plan.suspended());
                plan = step(queue);
            }
            assertEquals(List.of(third), plan.dropped());
            assertEquals(State.WAITING, third.state());
            int[] again = new int[1];
            while (third.state() == State.WAITING) {
                step(queue).prompts().forEach(prompt -> again[0] = prompt.tokens());
            }
            assertNotEquals(20, again[0], "it enters with what it had, not with its prompt alone");
            runToTheEnd(queue, 1000);
        }
    }

    @Test
    void misuseIsNamed() {
        KvCache cache = cache(CacheName.PAGED, 2, 2, 0);
        try (RequestQueue queue = new RequestQueue(cache, PreemptionOrder.NEWEST)) {
            assertThrows(IllegalArgumentException.class, () -> queue.submit(0, 1, 0));
            assertThrows(IllegalArgumentException.class, () -> queue.submit(1, -1, 0));
            assertTrue(queue.nextStep().isEmpty());
            Request request = queue.submit(4, 0, 0);
            assertThrows(IllegalStateException.class, request::sequence);
            StepPlan plan = queue.nextStep();
            assertEquals(4, plan.prompts().getFirst().tokens());
            assertThrows(IllegalStateException.class, queue::nextStep, "its prompt is not committed");
            engine(request).begunPrompt(request.sequence(), 4);
            IllegalStateException unfinished = assertThrows(IllegalStateException.class, queue::nextStep);
            assertTrue(unfinished.getMessage().contains("finish"), unfinished.getMessage());
            KvSequence sequence = request.sequence();
            queue.finish(request);
            assertThrows(IllegalStateException.class, sequence::length);
            assertThrows(IllegalStateException.class, () -> queue.finish(request));
            Request left = queue.submit(4, 4, 0);
            queue.nextStep();
            assertEquals(State.RUNNING, left.state());
        }
    }
}
