package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.ShadowLayout;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Weighted sums over shadows, element by element; a KV head is one thread's. */
final class PlainShadows implements WorkerGroup.Part {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    private final CacheGeometry geometry;
    private final BlockRows rows;
    private final BlockShadows shadows;
    private final WorkerGroup workers;
    private final float[][] lows;
    private final float[][] scales;
    private @Nullable ShadowLayout layout;
    private @Nullable AttentionWorkspace workspace;
    private MemorySegment codes = MemorySegment.NULL;
    private MemorySegment ranges = MemorySegment.NULL;
    private MemorySegment out = MemorySegment.NULL;
    private int blocks;

    PlainShadows(CacheGeometry geometry, BlockRows rows, BlockShadows shadows, WorkerGroup workers) {
        this.geometry = geometry;
        this.rows = rows;
        this.shadows = shadows;
        this.workers = workers;
        lows = new float[geometry.kvHeads()][geometry.headSize()];
        scales = new float[geometry.kvHeads()][geometry.headSize()];
    }

    void add(
            ShadowLayout newLayout,
            AttentionWorkspace newWorkspace,
            int blockCount,
            MemorySegment codeTable,
            MemorySegment rangeTable,
            MemorySegment output) {
        layout = newLayout;
        workspace = newWorkspace;
        blocks = blockCount;
        codes = codeTable;
        ranges = rangeTable;
        out = output;
        workers.run(geometry.kvHeads(), this);
    }

    @Override
    public void run(int kvHead) {
        ShadowLayout of = Objects.requireNonNull(layout);
        AttentionWorkspace space = Objects.requireNonNull(workspace);
        for (int block = 0; block < blocks; block++) {
            for (int head = kvHead * geometry.groupSize(); head < (kvHead + 1) * geometry.groupSize(); head++) {
                if (space.rest().getAtIndex(FLOAT, (long) head * space.maxBlocks() + block) > 0) {
                    addBlock(of, space, kvHead, head, block);
                }
            }
        }
    }

    private void addBlock(ShadowLayout of, AttentionWorkspace space, int kvHead, int head, int block) {
        int codeBlock = codes.getAtIndex(INT, block / of.codesPerBlock());
        int rangeBlock = ranges.getAtIndex(INT, block / of.rangesPerBlock());
        long range = of.rangeOffset(rangeBlock, block % of.rangesPerBlock(), kvHead);
        rows.row(range, lows[kvHead], 0);
        rows.row(range + geometry.rowBytes(), scales[kvHead], 0);
        long firstCode = of.codeOffset(codeBlock, block % of.codesPerBlock(), kvHead);
        long firstWeight = (long) head * space.maxTokens() + (long) block * geometry.blockTokens();
        for (int slot = 0; slot < geometry.blockTokens(); slot++) {
            float weight = space.weights().getAtIndex(FLOAT, firstWeight + slot);
            long row = firstCode + (long) slot * of.codeRowBytes();
            for (int e = 0; e < geometry.headSize(); e++) {
                float value = lows[kvHead][e] + scales[kvHead][e] * shadows.code(of, row, e);
                long at = (long) head * geometry.headSize() + e;
                out.setAtIndex(FLOAT, at, out.getAtIndex(FLOAT, at) + weight * value);
            }
        }
    }
}
