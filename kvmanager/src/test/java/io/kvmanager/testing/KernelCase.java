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

    /** Those of {@link #every} that this JVM runs: {@code -Dkv.cases=k/n} is the k-th of n parts; all if not given. */
    static List<KernelCase> all() {
        return part(every());
    }

    /** Every seventh of {@link #every}: for what costs more. */
    static List<KernelCase> some() {
        List<KernelCase> every = every();
        List<KernelCase> some = new ArrayList<>();
        for (int i = 0; i < every.size(); i += 7) {
            some.add(every.get(i));
        }
        return part(some);
    }

    private static List<KernelCase> part(List<KernelCase> cases) {
        String[] numbers = System.getProperty("kv.cases", "1/1").split("/", -1);
        int part = Integer.parseInt(numbers[0]);
        int parts = Integer.parseInt(numbers[1]);
        List<KernelCase> chosen = new ArrayList<>();
        for (int i = 0; i < cases.size(); i++) {
            // Sizes repeat with every third case; i / 3 gives each part all of them.
            if ((i + i / 3) % parts == part - 1) {
                chosen.add(cases.get(i));
            }
        }
        return chosen;
    }

    /** Every element type, head size, group size and block size, and some odd ones. */
    private static List<KernelCase> every() {
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

    CacheGeometry geometry() {
        return new CacheGeometry(1, kvHeads * groupSize, kvHeads, headSize, blockTokens, type);
    }

    ReferenceAttention reference() {
        return new ReferenceAttention(kvHeads * groupSize, kvHeads, headSize);
    }
}
