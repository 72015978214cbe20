package io.kvmanager.paging;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.paging.SlotModel.Expected;
import java.lang.foreign.MemorySegment;

/** Comparisons of what lies in a slab with what should. Each throws {@link AssertionError} with the slot. */
final class SlotProbes {
    private final CacheGeometry geometry;
    private final MemorySegment slab;

    SlotProbes(CacheGeometry geometry, MemorySegment slab) {
        this.geometry = geometry;
        this.slab = slab;
    }

    /** Fails unless the table that has arrived is the one of the launch. */
    static void requireArrived(MemorySegment table, int[] ids) {
        for (int i = 0; i < ids.length; i++) {
            if (table.getAtIndex(JAVA_INT, i) != ids[i]) {
                throw new AssertionError("a kernel runs with entry " + i + " of another step's table");
            }
        }
    }

    /** Byte offset of a slot's row in the slab. */
    long row(int[] ids, int head, int slot) {
        int blockTokens = geometry.blockTokens();
        return geometry.rowOffset(ids[slot / blockTokens], head, slot % blockTokens);
    }

    void requireSlot(long offset, Expected expected, int role, int head, int slot, String where) {
        float stamp = slab.get(JAVA_FLOAT, offset);
        float code = slab.get(JAVA_FLOAT, offset + 4);
        if (stamp != expected.stamp(slot) || code != expected.code(role, head, slot)) {
            throw new AssertionError(where + ": layer " + expected.layer() + " role " + role + " head " + head
                    + " slot "
                    + slot + " holds stamp " + stamp + " code " + code + " (position " + SlotModel.positionOf(code)
                    + "), should be stamp " + expected.stamp(slot) + " position " + expected.position(slot));
        }
    }

    /** One tile of V, in a slab or a home. */
    void requireTile(long offset, int head, int block, Expected expected, MemorySegment memory) {
        int blockTokens = geometry.blockTokens();
        int end = Math.min(expected.slots(), (block + 1) * blockTokens);
        for (int slot = block * blockTokens; slot < end; slot++) {
            long at = offset + (long) (slot % blockTokens) * geometry.rowBytes();
            float stamp = memory.get(JAVA_FLOAT, at);
            float code = memory.get(JAVA_FLOAT, at + 4);
            if (stamp != expected.stamp(slot) || code != expected.code(SlotModel.VALUE, head, slot)) {
                throw new AssertionError("V of layer " + expected.layer() + " head " + head + " slot " + slot
                        + " holds stamp " + stamp + " position " + SlotModel.positionOf(code) + ", should be stamp "
                        + expected.stamp(slot) + " position " + expected.position(slot));
            }
        }
    }

    /** A tile of a summary block: slot j is the mean of V block {@code block * blockTokens + j}. */
    void requireMeans(ProbingKernels.Tile tile, Expected expected, int[] without) {
        int blockTokens = geometry.blockTokens();
        for (int block : without) {
            if (block / blockTokens != tile.block()) {
                continue;
            }
            double stamps = 0;
            double codes = 0;
            for (int slot = block * blockTokens; slot < (block + 1) * blockTokens; slot++) {
                stamps += expected.stamp(slot);
                codes += expected.code(SlotModel.VALUE, tile.head(), slot);
            }
            long at = geometry.tileOffset(tile.index()) + (long) (block % blockTokens) * geometry.rowBytes();
            if (slab.get(JAVA_FLOAT, at) != (float) (stamps / blockTokens)
                    || slab.get(JAVA_FLOAT, at + 4) != (float) (codes / blockTokens)) {
                throw new AssertionError("mean of V block " + block + " of layer " + expected.layer() + " is stale");
            }
        }
    }

    /** A query that votes was written for the position that its statistics name. */
    void requireQuery(MemorySegment q, int row, MemorySegment logSumExp, Expected expected) {
        float position = logSumExp.getAtIndex(JAVA_FLOAT, (long) row * geometry.queryHeads());
        if (position == Float.MAX_VALUE) {
            return; // forgotten, or never written
        }
        for (int head = 0; head < geometry.queryHeads(); head++) {
            long at = ((long) row * geometry.queryHeads() + head) * SlotModel.HEAD_SIZE;
            float code = q.getAtIndex(JAVA_FLOAT, at + 1);
            if (q.getAtIndex(JAVA_FLOAT, at) != expected.stampOfPosition((int) position)
                    || code != SlotModel.code(expected.layer(), SlotModel.QUERY, head, (int) position)) {
                throw new AssertionError("query " + row + " of layer " + expected.layer() + " is of position "
                        + SlotModel.positionOf(code) + ", its statistics of " + position);
            }
        }
    }
}
