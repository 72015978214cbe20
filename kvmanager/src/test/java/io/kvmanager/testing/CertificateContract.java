package io.kvmanager.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.FetchReport;
import io.kvmanager.HeadFetch;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.FetchTally;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The error bound holds, and {@code certified(epsilon)} keeps its word, against attention in double precision over the
 * stored K and V, for random heads of every {@link RandomHeads.Kind}.
 *
 * <p>The kernels' own F32 rounding comes on top of the bound: {@code (8 + headSize / 8 + sqrt(tokens)) * 2^-24}, as in
 * {@link AttentionKernelsContract}, times the longest value, and times the largest score where that is above 1, since a
 * score's rounding is a weight's relative error.
 *
 * <p>{@code -Dkv.certificate.heads=n} checks n heads for each compensation; {@code -Dkv.certificate.seed=n} starts with
 * another seed.
 */
public abstract class CertificateContract {
    private static final int HEADS = Integer.getInteger("kv.certificate.heads", 2500);
    private static final long SEED = Long.getLong("kv.certificate.seed", 20261129);
    private static final double UNIT = 0x1p-24;

    /** The device to run on, as a user writes it. */
    protected abstract String device();

    /** Query heads to check for each compensation; less where every kernel takes long. */
    protected int heads() {
        return HEADS;
    }

    /** Tokens behind a prompt; fewer of them are more caches for as many heads. */
    protected int steps() {
        return 24;
    }

    /** Bound over error of every head whose error is more than rounding. */
    private final List<Double> slacks = new ArrayList<>();

    @ParameterizedTest
    @EnumSource(Compensation.class)
    void noErrorExceedsItsBound(Compensation compensation) {
        long seed = SEED;
        for (int heads = 0; heads < heads(); seed++) {
            heads += check(compensation, seed);
        }
        Collections.sort(slacks);
        assertTrue(slacks.size() > heads() / 20, "hardly a head had an error: " + slacks.size());
        double least = slacks.getFirst();
        System.out.printf(
                "%s on %s: %d heads with an error, bound / error least %.3f, median %.2f, p99 %.1f%n",
                compensation,
                device(),
                slacks.size(),
                least,
                slacks.get(slacks.size() / 2),
                slacks.get(slacks.size() * 99 / 100));
        assertTrue(
                least < 2 || heads() < HEADS, "the bound is never close, so a wrong one would not be found: " + least);
    }

    private static CacheGeometry geometry(SplittableRandom random) {
        int[] headSizes = {8, 16, 32, 64, 80, 128};
        int[] groupSizes = {1, 3, 4, 8};
        int headSize = headSizes[random.nextInt(headSizes.length)];
        int group = groupSizes[random.nextInt(groupSizes.length)];
        int kvHeads = 1 + random.nextInt(2);
        List<ElementType> types = List.of(ElementType.F32, ElementType.F16, ElementType.BF16);
        return new CacheGeometry(
                1, kvHeads * group, kvHeads, headSize, 4 << random.nextInt(3), types.get(random.nextInt(3)));
    }

    private static ValueSelection selection(SplittableRandom random) {
        double[] epsilons = {.3, .1, .03, .01, .001};
        return switch (random.nextInt(5)) {
            case 0 -> new ValueSelection.TopN(1 + random.nextInt(3));
            case 1 -> new ValueSelection.Nucleus(.3 + .6 * random.nextDouble(), 6);
            default -> new ValueSelection.Certified(epsilons[random.nextInt(epsilons.length)]);
        };
    }

    /** Runs one cache; returns how many heads were checked. */
    private int check(Compensation compensation, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        CacheGeometry geometry = geometry(random);
        ValueSelection selection = selection(random);
        List<RandomHeads.Kind> kinds = List.of(RandomHeads.Kind.values());
        RandomHeads heads = new RandomHeads(geometry, kinds.get(random.nextInt(kinds.size())), 200, random);
        int prompt = 40 + random.nextInt(130);
        KvCacheConfig config = KvCacheConfig.builder(CacheName.KCACHE, geometry)
                .device(device())
                .maxSequenceTokens(200)
                .selection(selection)
                .compensation(compensation)
                .recentTokens(random.nextInt(30))
                .sinkBlocks(random.nextInt(2))
                .tileCacheTiles(selection instanceof ValueSelection.Certified ? random.nextInt(12) : 6 * 2)
                .build();
        String message = "seed " + seed + ", " + heads.kind + ", " + config;
        try (KvCache cache = KvCache.open(config);
                KvSequence sequence = cache.openSequence();
                Arena arena = Arena.ofShared()) {
            MemorySegment out = arena.allocate(4L * 200 * geometry.queryRowElements(), 64);
            sequence.beginPrompt(prompt);
            sequence.attendPrompt(
                    0,
                    prompt,
                    segment(arena, heads.queries(prompt)),
                    rows(arena, heads.k, geometry, 0, prompt),
                    rows(arena, heads.v, geometry, 0, prompt),
                    out);
            sequence.commit();
            for (int step = 0; step < steps(); step++) {
                step(sequence, heads, prompt + step, selection, arena, out, message);
            }
            assertEquals(List.of(), cache.audit(), message);
        }
        return steps() * geometry.queryHeads();
    }

    private void step(
            KvSequence sequence,
            RandomHeads heads,
            int position,
            ValueSelection selection,
            Arena arena,
            MemorySegment out,
            String message) {
        CacheGeometry geometry = heads.geometry;
        List<HeadFetch> before = sequence.headFetches(0);
        long attentions = sequence.fetchReport().attentions();
        float[] q = heads.queries(1);
        sequence.beginToken();
        sequence.attend(
                0,
                segment(arena, q),
                rows(arena, heads.k, geometry, position, 1),
                rows(arena, heads.v, geometry, position, 1),
                out);
        sequence.commit();
        List<HeadFetch> after = sequence.headFetches(0);
        FetchReport report = sequence.fetchReport(0);
        assertEquals(attentions + 1, report.attentions());
        ReferenceAttention oracle =
                new ReferenceAttention(geometry.queryHeads(), geometry.kvHeads(), geometry.headSize());
        for (int head = 0; head < geometry.queryHeads(); head++) {
            double[] exact = oracle.attend(q, 0, head, heads.k, heads.v, position + 1);
            double error = 0;
            double norm = 0;
            double outNorm = 0;
            for (int e = 0; e < exact.length; e++) {
                double element = out.getAtIndex(ValueLayout.JAVA_FLOAT, (long) head * exact.length + e);
                error += (element - exact[e]) * (element - exact[e]);
                norm += exact[e] * exact[e];
                outNorm += element * element;
            }
            error = Math.sqrt(error);
            double relative = after.get(head).boundMean() * (attentions + 1)
                    - before.get(head).boundMean() * attentions;
            double bound = relative * Math.sqrt(outNorm);
            double rounding = rounding(oracle, heads, q, head, position + 1);
            String where = message + ", token " + position + ", query head " + head + ": error " + error;
            boolean counted = relative < FetchTally.LARGEST_BOUND * (1 - 1e-9);
            assertTrue(!counted || error <= bound * (1 + 1e-9) + rounding, where + " exceeds the bound " + bound);
            if (selection instanceof ValueSelection.Certified certified) {
                assertTrue(error <= certified.epsilon() * Math.sqrt(norm) + rounding, where + " of " + norm);
            }
            if (counted && error > 10 * rounding) {
                slacks.add(bound / error);
            }
        }
    }

    private static double rounding(ReferenceAttention oracle, RandomHeads heads, float[] q, int head, int tokens) {
        double score = 1;
        for (int token = 0; token < tokens; token++) {
            score = Math.max(score, Math.abs(oracle.score(q, 0, head, heads.k, token)));
        }
        double relative = (8 + heads.geometry.headSize() / 8.0 + Math.sqrt(tokens)) * UNIT;
        return relative * score * heads.longestValue(head / heads.geometry.groupSize(), tokens);
    }

    private static MemorySegment segment(Arena arena, float[] elements) {
        return arena.allocateFrom(ValueLayout.JAVA_FLOAT, elements);
    }

    private static MemorySegment rows(Arena arena, float[] from, CacheGeometry geometry, int first, int count) {
        int row = geometry.keyValueRowElements();
        MemorySegment rows = arena.allocate(4L * count * row, 64);
        MemorySegment.copy(from, first * row, rows, ValueLayout.JAVA_FLOAT, 0, count * row);
        return rows;
    }
}
