package io.kvmanager.paging;

import java.util.SplittableRandom;

/** Digests for tests: different chains have different ones, and none of them is cryptographic. */
final class Chains {
    private Chains() {}

    /** Four longs per block; a block's depend on all ids up to its own. */
    static long[] of(int... ids) {
        long[] digests = new long[ids.length * BlockIdentity.DIGEST_LONGS];
        long state = 1;
        for (int i = 0; i < ids.length; i++) {
            state = new SplittableRandom(state * 31 + ids[i]).nextLong();
            SplittableRandom words = new SplittableRandom(state);
            for (int j = 0; j < BlockIdentity.DIGEST_LONGS; j++) {
                digests[i * BlockIdentity.DIGEST_LONGS + j] = words.nextLong();
            }
        }
        return digests;
    }
}
