package io.kvmanager.bench;

import io.kvmanager.spi.PrefixCache;
import io.kvmanager.spi.ProviderSelection;
import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What admission costs, per block, on a cache that is full: identities are given, {@code hashing} is what they cost.
 *
 * <p>{@code newBlocks}: requests that nobody sent before; each block is looked up, allocated, registered, given back,
 * and another one evicted for it. {@code cachedBlocks}: requests that are cached whole.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@State(Scope.Thread)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@SuppressWarnings("NullAway.Init") // JMH calls open before anything else
public class PrefixBenchmark {
    private static final int CACHED = 1 << 15;
    private static final int CHAINS = 1 << 5;
    private static final int CHAIN_BLOCKS = 64;
    private static final int DIGEST_LONGS = 4;
    private static final int BLOCK_BYTES = 1 + 32 + 4 * 16;
    private static final long STEP = 0x9e37_79b9_7f4a_7c15L;

    /** Eviction policy: the plainest, and the one that learns. */
    @Param({"lru", "hit-density"})
    public String policy = "lru";

    private final long[] cached = new long[CHAINS * CHAIN_BLOCKS * DIGEST_LONGS];
    private final long[] fresh = new long[CHAIN_BLOCKS * DIGEST_LONGS];
    private final byte[] block = new byte[BLOCK_BYTES];
    private PrefixCache cache;
    private MessageDigest sha256;
    private int chain;
    private long millis;

    /** Fills the cache; the chains for {@link #cachedBlocks} come last. */
    @Setup
    public void open() throws NoSuchAlgorithmException {
        sha256 = MessageDigest.getInstance("SHA-256");
        SplittableRandom random = new SplittableRandom(1);
        Arrays.setAll(cached, i -> random.nextLong());
        Arrays.setAll(fresh, i -> random.nextLong());
        cache = ProviderSelection.prefixCaches().open(policy, CACHED, CHAIN_BLOCKS);
        for (int i = 0; i < CACHED / CHAIN_BLOCKS; i++) {
            newBlocks();
        }
        for (int i = 0; i < CHAINS; i++) {
            cachedBlocks();
        }
    }

    /** Blocks nobody has; unit: blocks. */
    @Benchmark
    @OperationsPerInvocation(CHAIN_BLOCKS)
    public int newBlocks() {
        for (int i = 0; i < fresh.length; i += DIGEST_LONGS) {
            fresh[i] += STEP;
        }
        return cache.serve(fresh, 0, CHAIN_BLOCKS, 0, millis++);
    }

    /** Blocks that are cached; unit: blocks. */
    @Benchmark
    @OperationsPerInvocation(CHAIN_BLOCKS)
    public int cachedBlocks() {
        chain = (chain + 1) & (CHAINS - 1);
        return cache.serve(cached, chain * CHAIN_BLOCKS, CHAIN_BLOCKS, 0, millis++);
    }

    /** SHA-256 over as many bytes as the identity of a block of 16 tokens serialises; unit: blocks. */
    @Benchmark
    public int hashing() throws DigestException {
        sha256.update(block);
        return sha256.digest(block, 1, 32);
    }
}
