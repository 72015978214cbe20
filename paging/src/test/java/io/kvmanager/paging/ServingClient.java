package io.kvmanager.paging;

import io.kvmanager.KvSequence;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * A sequence of a {@link ServingSchedule} and what is known of it. The stamp of a position is a digest of the token ids
 * up to it, so that sequences which may share a prefix expect the same stamps, and all others expect their own.
 */
final class ServingClient {
    private static final int STAMPS = 1 << 22; // exact in a float
    private static final int FEW_TOKENS = 2;

    final KvSequence sequence;
    final int[] tokens;
    final int[] stamps;
    final boolean sharesPrefixes;
    int[][] positions;
    int length;
    int named;
    int stepTokens;
    boolean prompt;
    int nextLayer;
    int[] alive = {};

    /**
     * Creates a client.
     *
     * @param tokens ids of all tokens that it may get to; not a copy
     * @param named leading ids that the cache was told
     */
    ServingClient(KvSequence sequence, int[] tokens, int named, boolean sharesPrefixes, int layers) {
        this.sequence = sequence;
        this.tokens = tokens;
        this.named = named;
        this.sharesPrefixes = sharesPrefixes;
        this.stamps = new int[tokens.length];
        positions = new int[layers][0];
        stampFrom(0);
    }

    /** The same for a fork. */
    ServingClient fork(KvSequence child) {
        ServingClient copy = new ServingClient(child, tokens.clone(), named, sharesPrefixes, positions.length);
        copy.length = length;
        copy.positions = positions.clone();
        return copy;
    }

    /** Ids from a small alphabet, so that prefixes meet; or from a large one, so that they never do. */
    static int[] tokens(int count, boolean few, SplittableRandom random) {
        int[] ids = new int[count];
        int common = few && random.nextInt(4) > 0 ? random.nextInt(count + 1) : 0;
        for (int i = 0; i < count; i++) {
            ids[i] = i < common ? i % FEW_TOKENS : random.nextInt(few ? FEW_TOKENS : Integer.MAX_VALUE);
        }
        return ids;
    }

    /** Draws new ids for what is neither held nor named. */
    void redraw(SplittableRandom random) {
        int from = Math.max(length, named);
        for (int i = from; i < tokens.length; i++) {
            tokens[i] = random.nextInt(sharesPrefixes ? FEW_TOKENS : Integer.MAX_VALUE);
        }
        stampFrom(from);
    }

    private void stampFrom(int from) {
        for (int i = from; i < tokens.length; i++) {
            long mixed = ((i == 0 ? 17L : stamps[i - 1]) * 0x9E3779B97F4A7C15L + tokens[i] + 1) * 0xBF58476D1CE4E5B9L;
            stamps[i] = (int) ((mixed >>> 32) & (STAMPS - 1));
        }
    }

    boolean idle() {
        return stepTokens == 0 && !sequence.suspended();
    }

    void begun(int count, boolean isPrompt) {
        stepTokens = count;
        prompt = isPrompt;
        nextLayer = 0;
        alive = IntStream.range(length, length + count).toArray();
    }
}
