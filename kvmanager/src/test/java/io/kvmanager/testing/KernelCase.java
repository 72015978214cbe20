package io.kvmanager.testing;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.util.ArrayList;
import java.util.List;

/**
 * One shape of the kernel suite. Its text is the test's display name, so a failure names the seed.
 *
 * @param type element type
 * @param headSize elements per head
 * @param groupSize query heads per KV head
 * @param kvHeads KV heads
 * @param blockTokens slots per block
 * @param seed of everything random in the case
 */
record KernelCase(ElementType type, int headSize, int groupSize, int kvHeads, int blockTokens, long seed) {
    private static final int[] HEAD_SIZES = {8, 32, 64, 80, 128};
    private static final int[] GROUP_SIZES = {1, 3, 4, 8};
    private static final int[] BLOCK_TOKENS = {8, 16, 32};

    /** Every element type, head size, group size and block size, and some odd ones. */
    static List<KernelCase> all() {
        List<KernelCase> cases = new ArrayList<>();
        for (ElementType type : ElementType.values()) {
            for (int headSize : HEAD_SIZES) {
                for (int groupSize : GROUP_SIZES) {
                    for (int blockTokens : BLOCK_TOKENS) {
                        int kvHeads = 1 + cases.size() % 3;
                        cases.add(new KernelCase(type, headSize, groupSize, kvHeads, blockTokens, cases.size()));
                    }
                }
            }
            cases.add(new KernelCase(type, 5, 2, 2, 1, cases.size()));
            cases.add(new KernelCase(type, 33, 5, 1, 2, cases.size()));
            cases.add(new KernelCase(type, 20, 7, 3, 4, cases.size()));
            cases.add(new KernelCase(type, 256, 6, 2, 64, cases.size()));
            cases.add(new KernelCase(type, 1, 1, 1, 16, cases.size()));
        }
        return cases;
    }

    /** Every seventh of {@link #all()}: for what costs more. */
    static List<KernelCase> some() {
        List<KernelCase> all = all();
        List<KernelCase> some = new ArrayList<>();
        for (int i = 0; i < all.size(); i += 7) {
            some.add(all.get(i));
        }
        return some;
    }

    CacheGeometry geometry() {
        return new CacheGeometry(1, kvHeads * groupSize, kvHeads, headSize, blockTokens, type);
    }

    ReferenceAttention reference() {
        return new ReferenceAttention(kvHeads * groupSize, kvHeads, headSize);
    }
}
