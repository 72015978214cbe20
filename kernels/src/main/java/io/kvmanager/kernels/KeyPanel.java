package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.INTS;
import static io.kvmanager.kernels.Lanes.LANES;
import static io.kvmanager.kernels.Lanes.ORDER;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * One thread's view of up to 64 keys of one KV head, for {@link KeyDots}.
 *
 * <pre>
 * keys    4 runs of 16 slots      a tile of 16 slots each, or a part of one: four streams of memory
 * queries [quad][headSize][4]     scaled, four queries side by side
 * scores  [4][64]                 of a quad
 * </pre>
 *
 * Runs are read where they lie. While one panel's scores become weights, {@link Prefetch} asks for the next one's first
 * lines; the processor's own prefetching goes on from there, on four pages at a time. F16, odd head sizes of 16-bit
 * types, and blocks of less than 16 slots are first decoded to F32, {@code [headSize][64]} in memory of the panel's
 * own.
 */
final class KeyPanel {
    static final int SLOTS = 64;
    static final int QUAD = 4;
    static final int RUNS = 4;
    static final int RUN_SLOTS = SLOTS / RUNS;
    /** Bytes of each run that one call asks for. */
    private static final int AHEAD_BYTES = 4 * Prefetch.LINE_BYTES;

    private final CacheGeometry geometry;
    private final MemorySegment slab;
    private final BlockRows rows;
    private final int headSize;
    private final int blockTokens;
    private final boolean wholeRuns;
    private final boolean decoded;
    private final MemorySegment memory;

    /** Byte offsets in {@link #memory}. */
    private final long[] runs = new long[RUNS];

    private final boolean prefetches;
    private final int runBytes;

    /** Addresses of the expected runs. */
    private final long[] next = new long[RUNS];

    /** Bytes of each that have been asked for. */
    private int asked;

    private final KeyDots dots;
    private final float[] key;

    KeyPanel(CacheGeometry geometry, MemorySegment slab, BlockRows rows) {
        this.geometry = geometry;
        this.slab = slab;
        this.rows = rows;
        this.headSize = geometry.headSize();
        this.blockTokens = geometry.blockTokens();
        this.wholeRuns = blockTokens % RUN_SLOTS == 0;
        boolean inPairs = wholeRuns && geometry.elementType() == ElementType.BF16 && headSize % 2 == 0;
        this.decoded = !inPairs && !(wholeRuns && geometry.elementType() == ElementType.F32);
        this.memory = decoded ? Arena.ofAuto().allocate(4L * SLOTS * headSize, Prefetch.LINE_BYTES) : slab;
        int stepBytes = 4 * (decoded ? SLOTS : blockTokens);
        this.dots = new KeyDots(memory, runs, stepBytes, headSize, inPairs);
        this.prefetches = Prefetch.LINES != null && wholeRuns;
        this.runBytes = RUN_SLOTS * geometry.rowBytes();
        this.asked = runBytes;
        this.key = new float[headSize];
    }

    /**
     * Takes {@code count} slots from {@code firstSlot} on, a multiple of 16; scores of slots behind them are undefined.
     */
    void load(MemorySegment table, int kvHead, int firstSlot, int count) {
        for (int run = 0; run < RUNS; run++) {
            runs[run] = decoded ? 4L * run * RUN_SLOTS : run(table, kvHead, firstSlot + slotOf(run, count));
        }
        if (decoded) {
            decode(table, kvHead, firstSlot, count);
        }
    }

    /** Says what {@link #load} will take next; {@code count} is 0 if nothing. */
    void expect(MemorySegment table, int kvHead, int firstSlot, int count) {
        asked = prefetches && count > 0 ? 0 : runBytes;
        for (int run = 0; run < RUNS && asked < runBytes; run++) {
            next[run] = slab.address() + run(table, kvHead, firstSlot + slotOf(run, count));
        }
    }

    /** Asks the processor for a little more of what is expected, from the beginning on. */
    void ahead() {
        if (asked < runBytes) {
            Objects.requireNonNull(Prefetch.LINES)
                    .ahead(next[0] + asked, next[1] + asked, next[2] + asked, next[3] + asked, AHEAD_BYTES);
            asked += AHEAD_BYTES;
        }
    }

    /** First slot of a run in the panel; those behind the last slot are computed like the first one. */
    private static int slotOf(int run, int count) {
        return run * RUN_SLOTS < count ? run * RUN_SLOTS : 0;
    }

    /** Byte offset in the slab of the run that begins with {@code slot}. */
    private long run(MemorySegment table, int kvHead, int slot) {
        int blockId = table.getAtIndex(ValueLayout.JAVA_INT, slot / blockTokens);
        return geometry.tileOffset(geometry.tileIndex(blockId, kvHead)) + 4L * (slot % blockTokens);
    }

    private void decode(MemorySegment table, int kvHead, int firstSlot, int count) {
        if (wholeRuns && geometry.elementType() == ElementType.F16 && headSize % 2 == 0) {
            for (int slot = 0; slot < count; slot += RUN_SLOTS) {
                decodeF16(run(table, kvHead, firstSlot + slot), slot);
            }
            return;
        }
        for (int slot = 0; slot < count; slot++) {
            rows.key(table, firstSlot + slot, kvHead, key);
            for (int e = 0; e < headSize; e++) {
                memory.set(ValueLayout.JAVA_FLOAT, 4L * (e * SLOTS + slot), key[e]);
            }
        }
    }

    /** One run; the conversion is that of {@link Lanes#decode}. */
    private void decodeF16(long run, int slot) {
        for (int e = 0; e < headSize; e += 2) {
            for (int lane = 0; lane < RUN_SLOTS; lane += LANES) {
                long from = run + 4L * (e / 2 * blockTokens + lane);
                long to = 4L * (e * SLOTS + slot + lane);
                IntVector odd = IntVector.fromMemorySegment(INTS, slab, from, ORDER);
                IntVector even = odd.lanewise(VectorOperators.LSHL, 16);
                even.lanewise(VectorOperators.ASHR, 3)
                        .and(Lanes.F16_IN_F32)
                        .reinterpretAsFloats()
                        .mul(Lanes.F16_SCALE)
                        .intoMemorySegment(memory, to, ORDER);
                odd.lanewise(VectorOperators.ASHR, 3)
                        .and(Lanes.F16_IN_F32)
                        .reinterpretAsFloats()
                        .mul(Lanes.F16_SCALE)
                        .intoMemorySegment(memory, to + 4 * SLOTS, ORDER);
            }
        }
    }

    /** Writes one query, the elements from {@code from} of {@code q}, into its place of a quad. */
    static void query(MemorySegment q, long from, int headSize, float scale, float[] queries, int at) {
        for (int e = 0; e < headSize; e++) {
            queries[at + e * QUAD] = q.getAtIndex(ValueLayout.JAVA_FLOAT, from + e) * scale;
        }
    }

    /** Scores of the quad at {@code queries[at]} with all slots. */
    void scores(float[] queries, int at, float[] scores) {
        dots.scores(queries, at, scores);
    }
}
