package io.kvmanager.bench.stress;

import io.kvmanager.KvSequence;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * A sequence under stress and what is known of it: the tokens that it was told, their stamps, and the positions that
 * its layers held when it was last looked at.
 */
final class StressSequence {
    final KvSequence sequence;
    final boolean sharesPrefixes;
    final int[] tokens;
    final long[] stamps;
    private final long salt;
    int[][] positions;
    int length;
    int named;
    int stepTokens;
    boolean prompt;
    int nextLayer;
    int[] alive = {};
    long stepNanos;

    /**
     * An empty sequence.
     *
     * @param tokens ids of all tokens that it may get to; kept
     * @param named leading ids that the cache was told
     * @param salt what tells its contents from those of others with the same tokens
     */
    StressSequence(KvSequence sequence, int[] tokens, int named, boolean sharesPrefixes, long salt, int layers) {
        this.sequence = sequence;
        this.tokens = tokens;
        this.named = named;
        this.sharesPrefixes = sharesPrefixes;
        this.salt = salt;
        this.stamps = new long[tokens.length];
        this.positions = new int[layers][0];
        stampFrom(0);
    }

    /** What is known of a fork. */
    StressSequence fork(KvSequence child) {
        StressSequence copy = new StressSequence(child, tokens.clone(), named, sharesPrefixes, salt, positions.length);
        copy.length = length;
        copy.positions = positions.clone();
        return copy;
    }

    /** Stamps from {@code from} on, behind a change of tokens. */
    void stampFrom(int from) {
        for (int i = from; i < tokens.length; i++) {
            stamps[i] = RowContents.stamp(i == 0 ? salt : stamps[i - 1], tokens[i]);
        }
    }

    boolean inStep() {
        return stepTokens > 0;
    }

    boolean idle() {
        return !inStep() && !sequence.suspended();
    }

    /** Tokens that it has room for. */
    int room() {
        return tokens.length - length;
    }

    /** A step was begun. */
    void begun(int count, boolean isPrompt, long nanos) {
        stepTokens = count;
        prompt = isPrompt;
        nextLayer = 0;
        alive = IntStream.range(length, length + count).toArray();
        stepNanos = nanos;
    }

    /** Its step was committed; throws if the layers hold what they cannot hold. */
    void committed() {
        int before = length;
        length += stepTokens;
        stepTokens = 0;
        Violation.unless(sequence.length() == length, "a length of {}, expected {}", sequence.length(), length);
        for (int layer = 0; layer < positions.length; layer++) {
            int[] now = sequence.positions(layer);
            for (int i = 0; i < now.length; i++) {
                boolean ascending = i == 0 || now[i] > now[i - 1];
                boolean known = now[i] >= before || Arrays.binarySearch(positions[layer], now[i]) >= 0;
                Violation.unless(
                        ascending && known && now[i] < length,
                        "layer {} holds positions {} behind {}",
                        layer,
                        Arrays.toString(now),
                        Arrays.toString(positions[layer]));
            }
            positions[layer] = now;
        }
    }

    /** Throws unless length and positions are what they were. */
    void requireUnmoved() {
        Violation.unless(sequence.length() == length, "a length of {}, expected {}", sequence.length(), length);
        for (int layer = 0; layer < positions.length; layer++) {
            int[] now = sequence.positions(layer);
            Violation.unless(
                    Arrays.equals(now, positions[layer]),
                    "layer {} holds positions {}, expected {}",
                    layer,
                    Arrays.toString(now),
                    Arrays.toString(positions[layer]));
        }
    }

    /** It was cut. */
    void truncated(int to) {
        length = to;
        named = Math.min(named, to);
        int[][] kept = new int[positions.length][];
        Arrays.setAll(
                kept,
                layer -> Arrays.stream(positions[layer])
                        .filter(position -> position < to)
                        .toArray());
        positions = kept;
        requireUnmoved();
    }
}
