package io.kvmanager.bench;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvSequence;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Attention alone, on shapes of a large model: random K and V, a random query a step. Prompts are stored, not computed,
 * and the choice of what a pruned layer keeps is by meaningless scores; how much it keeps is as always.
 */
final class AttentionDecodeLoad extends DecodeLoad implements AutoCloseable {
    private static final int QUERIES = 64;

    private final String device;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment promptQuery;
    private final MemorySegment promptKey;
    private final MemorySegment promptValue;
    private final MemorySegment queries;
    private final MemorySegment key;
    private final MemorySegment out;
    private int next;

    AttentionDecodeLoad(DecodeShape shape, String device, long seed, double roofBytesPerNano) {
        super(shape, roofBytesPerNano);
        this.device = device;
        CacheGeometry geometry = shape.geometry();
        SplittableRandom random = new SplittableRandom(seed);
        promptQuery = arena.allocate(4L * shape.promptTokens() * geometry.queryRowElements(), 64);
        promptKey = random(shape.promptTokens(), geometry.keyValueRowElements(), random);
        promptValue = random(shape.promptTokens(), geometry.keyValueRowElements(), random);
        queries = random(QUERIES, geometry.queryRowElements(), random);
        key = random(1, geometry.keyValueRowElements(), random);
        out = arena.allocate(4L * geometry.queryRowElements(), 64);
    }

    private MemorySegment random(int rows, int elements, SplittableRandom random) {
        MemorySegment memory = arena.allocate(4L * rows * elements, 64);
        for (long i = 0; i < (long) rows * elements; i++) {
            memory.setAtIndex(JAVA_FLOAT, i, (random.nextInt() >> 8) * 0x1p-23f);
        }
        return memory;
    }

    @Override
    String name() {
        return "attention";
    }

    @Override
    String device() {
        return PromptlessDeviceProvider.PREFIX + device;
    }

    @Override
    long prompt(KvSequence sequence) {
        DecodeCapacity.prompt(
                sequence, shape.promptTokens(), shape.geometry().layers(), promptQuery, promptKey, promptValue);
        return 0;
    }

    @Override
    long step(List<KvSequence> sequences) {
        long start = System.nanoTime();
        long bytes = 4L * shape.geometry().queryRowElements();
        for (KvSequence sequence : sequences) {
            MemorySegment query = queries.asSlice(next++ % QUERIES * bytes, bytes);
            for (int layer = 0; layer < shape.geometry().layers(); layer++) {
                sequence.attend(layer, query, key, key, out);
            }
            sequence.commit();
        }
        return System.nanoTime() - start;
    }

    @Override
    long weightBytes() {
        return 0;
    }

    @Override
    public void close() {
        arena.close();
    }
}
