package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the block manager itself costs, through the API an engine uses: one layer on the metadata device, so that no
 * attention is computed. Run with {@code -prof gc} to see that a step allocates nothing.
 *
 * <p>{@code tokens}: begin, attend and commit one token; a block of K and one of V every 16 tokens. The rest:
 * begin-layer-commit of a prompt and its truncation, per block of K and V taken and given back.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@State(Scope.Thread)
@Fork(
        value = 1,
        jvmArgs = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@SuppressWarnings("NullAway.Init") // JMH calls open before anything else
public class AllocatorBenchmark {
    private static final int TOKENS = 4096;
    private static final int BLOCKS = 2 * TOKENS / 16;

    /** Cache name; {@code kcache} adds the settling of V blocks to their homes. */
    @Param({"paged", "kcache"})
    public String cache = "paged";

    private final Arena arena = Arena.ofShared();
    private MemorySegment rows = MemorySegment.NULL;
    private KvCache opened;
    private KvSequence sequence;

    /** Opens the cache and one sequence. */
    @Setup
    public void open() {
        CacheGeometry geometry = new CacheGeometry(1, 1, 1, 1, 16, ElementType.BF16);
        rows = arena.allocate(4L * TOKENS, 64);
        opened = KvCache.open(KvCacheConfig.builder(CacheName.parse(cache), geometry)
                .device("metadata")
                .maxSequenceTokens(TOKENS + 1)
                .build());
        sequence = opened.openSequence();
    }

    /** Closes what {@link #open} opened. */
    @TearDown
    public void close() {
        sequence.close();
        opened.close();
        arena.close();
    }

    /** Token appends; unit: tokens. */
    @Benchmark
    @OperationsPerInvocation(TOKENS)
    public void tokens() {
        for (int token = 0; token < TOKENS; token++) {
            sequence.beginToken();
            sequence.attend(0, rows, rows, rows, rows);
            sequence.commit();
        }
        sequence.truncate(0);
    }

    /** A prompt and its truncation; unit: blocks allocated and freed. */
    @Benchmark
    @OperationsPerInvocation(BLOCKS)
    public void promptBlocks() {
        sequence.beginPrompt(TOKENS);
        sequence.attendPrompt(0, TOKENS, rows, rows, rows, rows);
        sequence.commit();
        sequence.truncate(0);
    }
}
