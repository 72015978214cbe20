package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvCacheException.TooManySequences;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.Ledger.Account;
import io.kvmanager.PrefixRequest;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.StepBatch;
import io.kvmanager.Tier;
import io.kvmanager.TierBytes;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * One random life of a cache, with steps of many sequences interleaved layer by layer. The model is an array per
 * sequence: the stamp of each position. The kernels compare every slot with it; here positions, errors, ledger and
 * audit are compared, behind every action.
 */
final class ServingSchedule {
    private final KvCacheConfig config;
    private final CacheGeometry geometry;
    private final SplittableRandom random;
    private final SlotModel model;
    private final PagedBackend backend;
    private final List<ServingClient> clients = new ArrayList<>();
    private final List<String> log = new ArrayList<>();
    private final Ledger atOpen;
    private int hits;
    private int copies;

    ServingSchedule(KvCacheConfig config, int streamDepth, SplittableRandom random) {
        this.config = config;
        this.geometry = config.geometry();
        this.random = random;
        model = new SlotModel(geometry);
        VirtualDevice device = new VirtualDevice(random.split(), streamDepth, model);
        backend = new PagedBackend(config, new PagedPlan(config), device);
        atOpen = backend.ledger();
    }

    /** Runs {@code actions} actions and everything to its end; what goes wrong is thrown with the actions before. */
    void run(int actions) {
        try {
            for (int i = 0; i < actions; i++) {
                act();
                check();
            }
            finish();
            backend.close();
        } catch (AssertionError | RuntimeException e) { // what is broken is not closed: that could hide why
            throw new AssertionError(config + "\n" + String.join("\n", log) + "\n" + e, e);
        }
    }

    private void check() {
        assertEquals(List.of(), backend.audit());
    }

    private void act() {
        int action = random.nextInt(100);
        if (clients.isEmpty() || action < 8) {
            open();
            return;
        }
        ServingClient client = clients.get(random.nextInt(clients.size()));
        if (client.stepTokens > 0 && action < 90) {
            log.add("finish the step of " + clients.indexOf(client));
            int layers = 1 + random.nextInt(geometry.layers() + 1);
            for (int i = 0; i < layers && client.stepTokens > 0; i++) {
                advance(client);
            }
        } else if (action < 25) {
            begin(client, 1 + random.nextInt(1 + random.nextInt(config.maxSequenceTokens())), true);
        } else if (action < 50) {
            for (int i = random.nextInt(12); i >= 0 && client.idle(); i--) {
                token(client);
            }
        } else if (action < 60) {
            batch();
        } else if (action < 70) {
            fork(client);
        } else if (action < 78) {
            truncate(client);
        } else if (action < 92) {
            move(client);
        } else {
            close(client);
        }
    }

    private void open() {
        log.add("open " + clients.size());
        boolean shares = config.prefixes().enabled() && random.nextInt(4) > 0;
        int[] tokens = ServingClient.tokens(config.maxSequenceTokens(), shares, random);
        int named = shares ? 1 + random.nextInt(tokens.length) : 0;
        try {
            PrefixRequest request = PrefixRequest.of(Arrays.copyOf(tokens, Math.max(1, named)));
            int cached = shares ? backend.cachedTokens(request) : 0;
            KvSequence sequence = shares ? backend.openSequence(request) : backend.openSequence();
            ServingClient client = new ServingClient(sequence, tokens, named, shares, geometry.layers());
            clients.add(client);
            assertTrue(clients.size() <= config.maxSequences());
            startsBehind(client, cached);
        } catch (OutOfMemory shortage) {
            assertTrue(shares, "an empty sequence takes nothing");
        } catch (TooManySequences limit) {
            assertEquals(config.maxSequences(), clients.size());
        }
    }

    private void startsBehind(ServingClient client, int cached) {
        client.length = client.sequence.length();
        assertTrue(client.length <= cached, "more than was promised");
        assertTrue(cached < Math.max(1, client.named), "a token is left to compute");
        hits += client.length > 0 ? 1 : 0;
        copies += client.length % geometry.blockTokens() > 0 ? 1 : 0;
        Arrays.setAll(client.positions, client.sequence::positions);
        if (config.retention() instanceof RetentionPolicy.All) {
            requireUnmoved(client);
        }
    }

    /** Sequences that began behind a cached prefix. */
    int hits() {
        return hits;
    }

    /** Those of them that began in the middle of a block. */
    int copies() {
        return copies;
    }

    // ---- steps ----

    private void token(ServingClient client) {
        begin(client, 1, false);
        while (client.stepTokens > 0) {
            advance(client);
        }
    }

    private void begin(ServingClient client, int tokens, boolean prompt) {
        if (!client.idle() || client.length + tokens > config.maxSequenceTokens()) {
            return;
        }
        log.add((prompt ? "prompt of " : "token, ") + tokens + " for " + clients.indexOf(client) + " at "
                + client.length);
        Admission answer = backend.admit(tokens, 0);
        Ledger before = backend.ledger();
        boolean begun = true;
        try {
            if (prompt) {
                client.sequence.beginPrompt(tokens);
            } else {
                client.sequence.beginToken();
            }
            begun(client, tokens, prompt);
        } catch (OutOfMemory shortage) {
            begun = false;
            requireHonest(shortage, before);
        }
        if (client.length == 0) {
            boolean fits = answer instanceof Admission.Admit
                    || (answer instanceof Admission.Wait wait && wait.deficit().equals(TierBytes.NONE));
            assertTrue(begun || !fits, "admitted and refused");
            assertTrue(!begun || fits || config.watermark() > 0, "not admitted, and yet it fits");
        }
    }

    private void requireHonest(OutOfMemory shortage, Ledger before) {
        log.add("  " + shortage.deficit());
        assertNotEquals(TierBytes.NONE, shortage.deficit());
        assertEquals(before, backend.ledger());
    }

    private void begun(ServingClient client, int tokens, boolean prompt) {
        client.begun(tokens, prompt);
        int end = client.length + tokens;
        if (client.sharesPrefixes && client.named < end && random.nextBoolean()) {
            client.sequence.name(Arrays.copyOfRange(client.tokens, client.named, end));
            client.named = end;
        }
    }

    /** Runs the next layer of an open step, or commits it. */
    private void advance(ServingClient client) {
        model.working(client.sequence, client.stamps);
        if (client.nextLayer == geometry.layers()) {
            client.sequence.commit();
            int before = client.length;
            client.length += client.stepTokens;
            client.stepTokens = 0;
            requirePositions(client, before);
            return;
        }
        int layer = client.nextLayer++;
        model.layer(layer);
        MemorySegment q = MemorySegment.ofArray(model.rows(SlotModel.QUERY, client.alive));
        MemorySegment k = MemorySegment.ofArray(model.rows(SlotModel.KEY, client.alive));
        MemorySegment v = MemorySegment.ofArray(model.rows(SlotModel.VALUE, client.alive));
        if (client.prompt) {
            client.alive = client.sequence
                    .attendPrompt(layer, client.alive.length, q, k, v, q)
                    .select(client.alive);
        } else {
            client.sequence.attend(layer, q, k, v, q);
        }
    }

    private void batch() {
        StepBatch batch = new StepBatch();
        List<ServingClient> chosen = new ArrayList<>();
        for (ServingClient client : clients) {
            int room = config.maxSequenceTokens() - client.length;
            if (client.idle() && room > 0 && random.nextInt(3) > 0) {
                chosen.add(client);
                if (random.nextInt(4) == 0) {
                    batch.prompt(client.sequence, 1 + random.nextInt(Math.min(room, 9)));
                } else {
                    batch.token(client.sequence);
                }
            }
        }
        log.add("batch of " + chosen.stream().map(clients::indexOf).toList());
        Ledger before = backend.ledger();
        try {
            backend.begin(batch);
            for (int i = 0; i < chosen.size(); i++) {
                begun(chosen.get(i), batch.tokens(i), batch.isPrompt(i));
            }
        } catch (OutOfMemory shortage) {
            requireHonest(shortage, before);
        }
    }

    // ---- everything else ----

    private void fork(ServingClient parent) {
        if (!parent.idle()) {
            return;
        }
        log.add("fork " + clients.indexOf(parent) + " as " + clients.size());
        try {
            ServingClient child = parent.fork(parent.sequence.fork());
            requireUnmoved(child);
            child.redraw(random);
            clients.add(child);
        } catch (TooManySequences limit) {
            assertEquals(config.maxSequences(), clients.size());
        }
    }

    private void truncate(ServingClient client) {
        if (!client.idle()) {
            return;
        }
        int length = random.nextInt(4) == 0 ? 0 : client.length - random.nextInt(1 + Math.min(client.length, 12));
        log.add("truncate " + clients.indexOf(client) + " to " + length);
        Ledger before = backend.ledger();
        try {
            client.sequence.truncate(length);
        } catch (OutOfMemory shortage) {
            requireHonest(shortage, before);
            return;
        }
        client.length = length;
        int[][] kept = new int[geometry.layers()][];
        Arrays.setAll(
                kept,
                layer -> Arrays.stream(client.positions[layer])
                        .filter(position -> position < length)
                        .toArray());
        client.positions = kept;
        requireUnmoved(client);
        client.named = Math.min(client.named, length);
        client.redraw(random);
    }

    /** Suspends or resumes. */
    private void move(ServingClient client) {
        if (client.stepTokens > 0) {
            return;
        }
        boolean resumes = client.sequence.suspended();
        log.add((resumes ? "resume " : "suspend ") + clients.indexOf(client));
        Ledger before = backend.ledger();
        boolean admitted = resumes && backend.admit(client.sequence) instanceof Admission.Admit;
        try {
            long bytes = resumes ? client.sequence.resume() : client.sequence.suspend();
            assertTrue(bytes <= client.sequence.deviceBytes());
        } catch (OutOfMemory shortage) {
            assertTrue(!admitted, "admitted and refused");
            requireHonest(shortage, before);
        }
        requireUnmoved(client);
    }

    private void close(ServingClient client) {
        log.add("close " + clients.indexOf(client));
        client.sequence.close();
        clients.remove(client);
    }

    /** Ends open steps, reads everything once more where memory allows, and closes. */
    private void finish() {
        for (ServingClient client : List.copyOf(clients)) {
            while (client.stepTokens > 0) {
                advance(client);
            }
        }
        while (!clients.isEmpty()) {
            ServingClient client = clients.getFirst();
            if (client.sequence.suspended()) {
                move(client);
            }
            if (client.idle() && client.length < config.maxSequenceTokens()) {
                token(client);
            }
            close(client);
            check();
        }
        if (!config.prefixes().enabled()) {
            assertEquals(atOpen, backend.ledger());
        }
        assertEquals(0, backend.ledger().bytes(Tier.DEVICE, Account.OPEN));
        assertEquals(0, backend.ledger().bytes(Tier.HOST, Account.SUSPENDED));
    }

    private void requireUnmoved(ServingClient client) {
        assertEquals(client.length, client.sequence.length());
        for (int layer = 0; layer < geometry.layers(); layer++) {
            assertArrayEquals(client.positions[layer], client.sequence.positions(layer));
        }
    }

    /** What a step may do to the positions: add its own, and lose some; never move, never bring back. */
    private void requirePositions(ServingClient client, int lengthBefore) {
        assertEquals(client.length, client.sequence.length());
        for (int layer = 0; layer < geometry.layers(); layer++) {
            int[] before = client.positions[layer];
            int[] now = client.sequence.positions(layer);
            for (int i = 0; i < now.length; i++) {
                assertTrue(i == 0 || now[i] > now[i - 1], "ascending");
                boolean known = now[i] >= lengthBefore || Arrays.binarySearch(before, now[i]) >= 0;
                assertTrue(known, "position " + now[i] + " had been pruned");
            }
            if (!(config.retention() instanceof RetentionPolicy.Pyramid)) { // its recent window may round to nothing
                assertEquals(client.length - 1, now[now.length - 1], "the newest token is kept");
            }
            if (config.retention() instanceof RetentionPolicy.All) {
                assertEquals(client.length, now.length);
            }
            client.positions[layer] = now;
        }
    }
}
