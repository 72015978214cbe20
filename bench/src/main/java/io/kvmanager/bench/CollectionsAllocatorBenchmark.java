package io.kvmanager.bench;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What {@link AllocatorBenchmark} is compared with: a block manager as one writes it first, on the collections of
 * {@code java.util}. It does less: no reservation, no accounts, no lock, no tables that a device could read.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@State(Scope.Thread)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class CollectionsAllocatorBenchmark {
    private final Deque<Integer> free = new ArrayDeque<>();
    private final Map<Integer, Integer> references = new HashMap<>();
    private final Map<Long, List<Integer>> tables = new HashMap<>();

    /** Fills the free list. */
    @Setup
    public void open() {
        for (int id = 0; id < AllocatorBenchmark.BLOCKS + 2; id++) {
            free.add(id);
        }
    }

    private void allocate(long table) {
        Integer id = free.removeFirst();
        references.put(id, 1);
        tables.computeIfAbsent(table, key -> new ArrayList<>()).add(id);
    }

    private void close(long table) {
        for (Integer id : Objects.requireNonNull(tables.remove(table))) {
            if (references.merge(id, -1, Integer::sum) == 0) {
                references.remove(id);
                free.addLast(id);
            }
        }
    }

    /** Token appends and, at their end, the release of all blocks; unit: tokens. */
    @Benchmark
    @OperationsPerInvocation(AllocatorBenchmark.TOKENS)
    public void tokens() {
        for (int token = 0; token < AllocatorBenchmark.TOKENS; token++) {
            if (token % 16 == 0) {
                allocate(0);
                allocate(1);
            }
        }
        close(0);
        close(1);
    }

    /** A prompt and its release; unit: blocks allocated and freed. */
    @Benchmark
    @OperationsPerInvocation(AllocatorBenchmark.BLOCKS)
    public void promptBlocks() {
        for (int block = 0; block < AllocatorBenchmark.BLOCKS; block += 2) {
            allocate(0);
            allocate(1);
        }
        close(0);
        close(1);
    }
}
