package io.kvmanager.bench;

import io.kvmanager.CacheName;

/**
 * One cache under one load.
 *
 * @param load {@code model} or {@code attention}
 * @param promptTokens tokens of each sequence's prompt
 * @param newTokens tokens behind it
 * @param planned sequences that a plan promises
 * @param sequences sequences that ran as one batch, 0 if the budget does not hold one
 * @param retainedShare share of the tokens' slots that the layers hold at the end, 0..1
 * @param deviceBytesPeak device bytes used at most
 * @param hostBytesPeak host bytes used at most
 * @param prefillNanos time of all prompts; 0 where they are not computed
 * @param stepNanos median time of a step of the whole batch
 * @param attentionNanos median part of it that the cache took
 * @param decodeNanos time of all steps
 * @param stepBytes bytes of K, V and weights that a step has to read
 * @param hitRatio share of the chosen value tiles that were in the tile cache, 0..1
 * @param roofBytesPerNano how fast this machine reads, in the same run
 */
record DecodeFigures(
        CacheName cache,
        String load,
        int promptTokens,
        int newTokens,
        int planned,
        int sequences,
        double retainedShare,
        long deviceBytesPeak,
        long hostBytesPeak,
        long prefillNanos,
        long stepNanos,
        long attentionNanos,
        long decodeNanos,
        long stepBytes,
        double hitRatio,
        double roofBytesPerNano) {

    /** A cache whose budget does not hold one sequence. */
    static DecodeFigures none(CacheName cache, String load, DecodeShape shape, double roofBytesPerNano) {
        return new DecodeFigures(
                cache,
                load,
                shape.promptTokens(),
                shape.newTokens(),
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                1,
                roofBytesPerNano);
    }

    /** Generated tokens a second, all sequences together; 0 if nothing ran. */
    double decodeTokensPerSecond() {
        return stepNanos == 0 ? 0 : sequences * 1e9 / stepNanos;
    }

    /** Prompt tokens and generated ones a second: the convention of PyramidInfer's paper. */
    double allTokensPerSecond() {
        long nanos = prefillNanos + decodeNanos;
        return nanos == 0 ? 0 : sequences * (promptTokens + (double) newTokens) * 1e9 / nanos;
    }

    /** Least time of a step: its bytes at the speed of the read roof. */
    double floorNanos() {
        return stepBytes / roofBytesPerNano;
    }

    /** Tokens a second if a step took no more than reading its bytes. */
    double floorTokensPerSecond() {
        return stepBytes == 0 ? 0 : sequences * 1e9 / floorNanos();
    }

    /** Part of a step that the cache took, 0..1. */
    double attentionShare() {
        return stepNanos == 0 ? 0 : (double) attentionNanos / stepNanos;
    }
}
