package io.kvmanager.bench.stress;

import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.PrefixRequest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Draws what sequences are told. Those that share prefixes get one of a few texts up to some token, and a tenant; the
 * same tokens of two tenants are contents that differ, so that a hit across tenants is noticed.
 */
final class StressTokens {
    private static final int TEXTS = 3;
    private static final List<String> TENANTS = List.of("", "a", "b");
    private static final int FEW_TOKENS = 3;

    private final int count;
    private final SplittableRandom random;
    private final int[][] texts = new int[TEXTS][];
    private final Map<List<Integer>, Integer> longestHit = new HashMap<>();

    StressTokens(KvCacheConfig config, SplittableRandom random) {
        this.count = config.maxSequenceTokens();
        this.random = random;
        SplittableRandom common = new SplittableRandom(count); // all clients of a cache share the texts
        for (int i = 0; i < TEXTS; i++) {
            texts[i] = common.ints(count, 0, FEW_TOKENS).toArray();
        }
    }

    /** What a sequence is told. */
    static final class Drawn {
        private final int[] tokens; // of its greatest length
        private final int named; // leading ids that the cache is told at once
        private final boolean shares;
        private final int text;
        private final int tenant;
        private final long salt; // what its contents follow from, beside the tokens

        private Drawn(int[] tokens, int named, boolean shares, int text, int tenant, long salt) {
            this.tokens = tokens;
            this.named = named;
            this.shares = shares;
            this.text = text;
            this.tenant = tenant;
            this.salt = salt;
        }

        PrefixRequest request() {
            return PrefixRequest.of(Arrays.copyOf(tokens, Math.max(1, named))).tenant(TENANTS.get(tenant));
        }

        /** A sequence with tokens of its own, to be changed as it likes. */
        StressSequence sequence(KvSequence sequence, int layers) {
            return new StressSequence(sequence, tokens.clone(), named, shares, salt, layers);
        }
    }

    Drawn draw(boolean shares) {
        if (!shares) {
            int[] own = random.ints(count).toArray();
            return new Drawn(own, 0, false, 0, 0, random.nextLong());
        }
        int text = random.nextInt(TEXTS);
        int tenant = random.nextInt(TENANTS.size());
        int[] ids = texts[text].clone();
        for (int i = random.nextInt(count + 1); i < count; i++) {
            ids[i] = random.nextInt(FEW_TOKENS);
        }
        return new Drawn(ids, 1 + random.nextInt(count), true, text, tenant, tenant + 1);
    }

    /** Whether a text's prefix was found shorter than the same request found it before: something was evicted. */
    boolean isShorterThanBefore(Drawn drawn, int hit) {
        if (!drawn.shares) {
            return false;
        }
        int own = Arrays.mismatch(drawn.tokens, texts[drawn.text]);
        int most = Math.min(own < 0 ? count : own, drawn.named - 1);
        Integer before = longestHit.merge(List.of(drawn.text, drawn.tenant), Math.min(hit, most), Math::max);
        return before > hit && most >= before;
    }

    /** Draws new ids for what is neither held nor named. */
    void redraw(StressSequence s) {
        int from = Math.max(s.length, s.named);
        for (int i = from; i < s.tokens.length; i++) {
            s.tokens[i] = s.sharesPrefixes ? random.nextInt(FEW_TOKENS) : random.nextInt();
        }
        s.stampFrom(from);
    }
}
