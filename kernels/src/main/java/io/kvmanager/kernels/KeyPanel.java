package io.kvmanager.kernels;

import static io.kvmanager.kernels.Lanes.FLOATS;
import static io.kvmanager.kernels.Lanes.LANES;

import io.kvmanager.CacheGeometry;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/**
 * Up to 64 keys of one KV head as F32, transposed, for prompt work where many queries meet the same keys.
 *
 * <pre>
 * keys    [headSize][64]          so that lanes are slots and no lane sums are needed
 * queries [quad][headSize][4]     scaled, four queries side by side
 * scores  [4][64]
 * </pre>
 */
final class KeyPanel {
    static final int SLOTS = 64;
    static final int QUAD = 4;

    private final BlockRows rows;
    private final int headSize;
    private final float[] keys;
    private final float[] row;

    KeyPanel(CacheGeometry geometry, BlockRows rows) {
        this.rows = rows;
        this.headSize = geometry.headSize();
        this.keys = new float[headSize * SLOTS];
        this.row = new float[headSize];
    }

    /** Takes slots {@code firstSlot..firstSlot+count-1}; what lies behind them is left over from earlier. */
    void load(MemorySegment table, int kvHead, int firstSlot, int count) {
        for (int slot = 0; slot < count; slot++) {
            rows.row(rows.rowOffset(table, firstSlot + slot, kvHead), row, 0);
            for (int e = 0; e < headSize; e++) {
                keys[e * SLOTS + slot] = row[e];
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
        for (int slot = 0; slot < SLOTS; slot += QUAD * LANES) {
            scores(queries, at, slot, scores);
        }
    }

    private void scores(float[] queries, int at, int slot, float[] scores) {
        FloatVector s00 = FloatVector.zero(FLOATS);
        FloatVector s01 = s00;
        FloatVector s02 = s00;
        FloatVector s03 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s12 = s00;
        FloatVector s13 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s22 = s00;
        FloatVector s23 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        FloatVector s32 = s00;
        FloatVector s33 = s00;
        for (int e = 0; e < headSize; e++) {
            int key = e * SLOTS + slot;
            int query = at + e * QUAD;
            FloatVector k0 = FloatVector.fromArray(FLOATS, keys, key);
            FloatVector k1 = FloatVector.fromArray(FLOATS, keys, key + LANES);
            FloatVector k2 = FloatVector.fromArray(FLOATS, keys, key + 2 * LANES);
            FloatVector k3 = FloatVector.fromArray(FLOATS, keys, key + 3 * LANES);
            FloatVector q0 = FloatVector.broadcast(FLOATS, queries[query]);
            s00 = k0.fma(q0, s00);
            s01 = k1.fma(q0, s01);
            s02 = k2.fma(q0, s02);
            s03 = k3.fma(q0, s03);
            FloatVector q1 = FloatVector.broadcast(FLOATS, queries[query + 1]);
            s10 = k0.fma(q1, s10);
            s11 = k1.fma(q1, s11);
            s12 = k2.fma(q1, s12);
            s13 = k3.fma(q1, s13);
            FloatVector q2 = FloatVector.broadcast(FLOATS, queries[query + 2]);
            s20 = k0.fma(q2, s20);
            s21 = k1.fma(q2, s21);
            s22 = k2.fma(q2, s22);
            s23 = k3.fma(q2, s23);
            FloatVector q3 = FloatVector.broadcast(FLOATS, queries[query + 3]);
            s30 = k0.fma(q3, s30);
            s31 = k1.fma(q3, s31);
            s32 = k2.fma(q3, s32);
            s33 = k3.fma(q3, s33);
        }
        s00.intoArray(scores, slot);
        s01.intoArray(scores, slot + LANES);
        s02.intoArray(scores, slot + 2 * LANES);
        s03.intoArray(scores, slot + 3 * LANES);
        s10.intoArray(scores, slot + SLOTS);
        s11.intoArray(scores, slot + SLOTS + LANES);
        s12.intoArray(scores, slot + SLOTS + 2 * LANES);
        s13.intoArray(scores, slot + SLOTS + 3 * LANES);
        s20.intoArray(scores, slot + 2 * SLOTS);
        s21.intoArray(scores, slot + 2 * SLOTS + LANES);
        s22.intoArray(scores, slot + 2 * SLOTS + 2 * LANES);
        s23.intoArray(scores, slot + 2 * SLOTS + 3 * LANES);
        s30.intoArray(scores, slot + 3 * SLOTS);
        s31.intoArray(scores, slot + 3 * SLOTS + LANES);
        s32.intoArray(scores, slot + 3 * SLOTS + 2 * LANES);
        s33.intoArray(scores, slot + 3 * SLOTS + 3 * LANES);
    }
}
