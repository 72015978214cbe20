package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.StepBatch;
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
 * What the block manager itself costs, through the API an engine uses, on the metadata device, so that no attention is
 * computed and no tile chosen. Run with {@code -prof gc} to see that a step allocates nothing.
 *
 * <p>The unit of {@code tokens} and {@code tokensOfBatches} is one token of one sequence: begun, attended in every
 * layer, committed, with a block of K and one of V per layer every 16 tokens. At one layer that is one block table of K
 * and one of V, as in engines whose layers share a table. {@code promptBlocks} is begin, attend and commit of a prompt
 * and its truncation, per block of K or V taken and given back. {@link CollectionsAllocatorBenchmark} is what they are
 * compared with.
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
    static final int TOKENS = 4096;
    static final int BLOCKS = 2 * TOKENS / 16;
    private static final int SEQUENCES = 64;

    /** Cache name; {@code kcache} adds the settling of V blocks to their homes. */
    @Param({"paged", "kcache"})
    public String cache = "paged";

    /** Layers of the model. */
    @Param({"1", "32"})
    public int layers = 1;

    private final Arena arena = Arena.ofShared();
    private MemorySegment rows = MemorySegment.NULL;
    private KvCache opened;
    private KvSequence sequence;
    private final KvSequence[] many = new KvSequence[SEQUENCES];
    private final StepBatch batch = new StepBatch();

    /** Opens the cache and one sequence. */
    @Setup
    public void open() {
        CacheGeometry geometry = new CacheGeometry(layers, 1, 1, 1, 16, ElementType.BF16);
        rows = arena.allocate(4L * TOKENS, 64);
        opened = KvCache.open(KvCacheConfig.builder(CacheName.parse(cache), geometry)
                .device("metadata")
                .maxSequenceTokens(TOKENS + 1)
                .maxSequences(1 + SEQUENCES)
                .build());
        sequence = opened.openSequence();
        for (int i = 0; i < SEQUENCES; i++) {
            many[i] = opened.openSequence();
        }
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
            finishToken(sequence);
        }
        sequence.truncate(0);
    }

    private void finishToken(KvSequence stepped) {
        for (int layer = 0; layer < layers; layer++) {
            stepped.attend(layer, rows, rows, rows, rows);
        }
        stepped.commit();
    }

    /** Token appends of 64 sequences that are begun together; unit: tokens. */
    @Benchmark
    @OperationsPerInvocation(TOKENS)
    public void tokensOfBatches() {
        for (int token = 0; token < TOKENS / SEQUENCES; token++) {
            batch.clear();
            for (KvSequence one : many) {
                batch.token(one);
            }
            opened.begin(batch);
            for (KvSequence one : many) {
                finishToken(one);
            }
        }
        for (KvSequence one : many) {
            one.truncate(0);
        }
    }

    /** A prompt and its truncation; unit: blocks of one layer allocated and freed, so count times the layers. */
    @Benchmark
    @OperationsPerInvocation(BLOCKS)
    public void promptBlocks() {
        sequence.beginPrompt(TOKENS);
        for (int layer = 0; layer < layers; layer++) {
            sequence.attendPrompt(layer, TOKENS, rows, rows, rows, rows);
        }
        sequence.commit();
        sequence.truncate(0);
    }
}
