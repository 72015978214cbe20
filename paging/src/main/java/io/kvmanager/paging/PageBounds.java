package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.FetchReport;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.Role;
import io.kvmanager.spi.TileList;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Quest's choice of pages, on the host. A page is a block; its bounds are taken when it is full, and the newest page is
 * always read.
 *
 * <pre>
 * bound of page p for query q   sum over d of max(q[d] * min[p][d], q[d] * max[p][d])   at least q . k for k in p
 * </pre>
 */
final class PageBounds {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private final CacheGeometry geometry;
    private final Device device;
    private final AttentionKernels kernels;
    private final AttentionWorkspace workspace;
    private final SlotBudget budget;
    private final MemorySegment pageKeys;
    private final float[] keys;
    private final float[] query;
    private final float[] bounds;
    private final float[] mass;
    private final float[] readMass;
    private final int[] chosen;
    private final int[] counts;
    private final int[] listedBlocks;
    private final int[] listedTiles;
    private final MemorySegment remembered;
    private final PivotalContext best;

    /** What a sequence's steps read and missed. */
    static final class Tally {
        private long attentions;
        private double missedSum;
        private double missedMax;
        private long tiles;
        private long tilesRead;
        private long bytes;

        FetchReport report(int queryHeads) {
            double mean = attentions == 0 ? 0 : missedSum / attentions / queryHeads;
            return new FetchReport(
                    attentions, mean, missedMax, Double.NaN, Double.NaN, tiles, tilesRead, 0, 0, bytes, 0, 0);
        }
    }

    PageBounds(
            CacheGeometry geometry,
            Device device,
            AttentionKernels kernels,
            AttentionWorkspace workspace,
            SlotBudget budget) {
        this.geometry = geometry;
        this.device = device;
        this.kernels = kernels;
        this.workspace = workspace;
        this.budget = budget;
        int pages = workspace.maxTokens() / geometry.blockTokens();
        int listed = geometry.kvHeads() * workspace.tiles().capacity();
        keys = new float[geometry.blockTokens() * geometry.keyValueRowElements()];
        pageKeys = device.allocate(Tier.DEVICE, 4L * keys.length);
        query = new float[geometry.queryRowElements()];
        bounds = new float[pages];
        mass = new float[workspace.maxBlocks()];
        readMass = new float[geometry.queryHeads()];
        chosen = new int[pages];
        counts = new int[geometry.kvHeads()];
        listedBlocks = new int[listed];
        listedTiles = new int[listed];
        remembered = MemorySegment.ofArray(new byte[pages * budget.pageBytes()]);
        best = new PivotalContext(pages);
    }

    /** Takes the bounds of the pages from {@code page} on that are full. */
    void seal(BudgetLayer layer, int page) {
        int elements = geometry.keyValueRowElements();
        for (int p = page; p < layer.kept() / geometry.blockTokens(); p++) {
            kernels.read(Role.KEY, layer.keys.memory(), p * geometry.blockTokens(), pageKeys, geometry.blockTokens());
            device.read(pageKeys, 0, MemorySegment.ofArray(keys), 4L * keys.length);
            for (int e = 0; e < elements; e++) {
                float least = keys[e];
                float most = keys[e];
                for (int at = e; at < keys.length; at += elements) {
                    least = Math.min(least, keys[at]);
                    most = Math.max(most, keys[at]);
                }
                set(e, least);
                set(elements + e, most);
            }
            layer.remember((long) p * budget.pageBytes(), remembered, budget.pageBytes());
        }
    }

    /** Writes an element in K's type, which it is exact in. */
    private void set(int element, float value) {
        if (geometry.elementType() == ElementType.F32) {
            remembered.set(FLOAT, 4L * element, value);
        } else {
            remembered.set(SHORT, 2L * element, geometry.elementType().encode(value));
        }
    }

    private float get(int element) {
        return geometry.elementType() == ElementType.F32
                ? remembered.get(FLOAT, 4L * element)
                : geometry.elementType().decode(remembered.get(SHORT, 2L * element));
    }

    /**
     * Lists the tiles that each KV head reads, behind {@link AttentionKernels#scores}.
     *
     * @param q {@code [queryHeads][headSize]}
     * @param most pages that a KV head reads
     * @return whether something is not read, so that the output is to be {@linkplain #renormalise renormalised}
     */
    boolean select(BudgetLayer layer, MemorySegment q, int most, Tally tally) {
        int pages = layer.blocks.value();
        tally.attentions++;
        if (pages <= most) {
            kernels.list(geometry, layer.values.memory(), layer.blocks, workspace.tiles());
            count(pages, pages, 0, tally);
            return false;
        }
        device.read(q, 0, MemorySegment.ofArray(query), 4L * query.length);
        layer.remembered(0, remembered, (long) (pages - 1) * budget.pageBytes());
        TileList tiles = workspace.tiles();
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            bound(kvHead, pages - 1);
            int end = best.choose(bounds, pages - 1, most - 1, 0, 1, 0, chosen, 0);
            chosen[end++] = pages - 1;
            counts[kvHead] = end;
            for (int i = 0; i < end; i++) {
                int at = kvHead * tiles.capacity() + i;
                listedBlocks[at] = chosen[i];
                listedTiles[at] = geometry.tileIndex(layer.values.get(chosen[i]), kvHead);
            }
            miss(kvHead, pages, end, tally);
        }
        device.write(MemorySegment.ofArray(counts), tiles.counts(), 0, 4L * counts.length);
        device.write(MemorySegment.ofArray(listedBlocks), tiles.blocks(), 0, 4L * listedBlocks.length);
        device.write(MemorySegment.ofArray(listedTiles), tiles.tiles(), 0, 4L * listedTiles.length);
        count(pages, most, pages - 1, tally);
        return true;
    }

    /** The largest bound over the GQA group, of the first {@code pages} pages. */
    private void bound(int kvHead, int pages) {
        int headSize = geometry.headSize();
        int elements = geometry.keyValueRowElements();
        for (int page = 0; page < pages; page++) {
            int least = 2 * elements * page + kvHead * headSize;
            float largest = Float.NEGATIVE_INFINITY;
            for (int head = kvHead * geometry.groupSize(); head < (kvHead + 1) * geometry.groupSize(); head++) {
                float bound = 0;
                for (int d = 0; d < headSize; d++) {
                    float element = query[head * headSize + d];
                    bound += Math.max(element * get(least + d), element * get(least + elements + d));
                }
                largest = Math.max(largest, bound);
            }
            bounds[page] = largest;
        }
    }

    /** Sums the mass of the pages that a group reads, and books that of the others. */
    private void miss(int kvHead, int pages, int end, Tally tally) {
        for (int head = kvHead * geometry.groupSize(); head < (kvHead + 1) * geometry.groupSize(); head++) {
            device.read(workspace.mass(), 4L * head * workspace.maxBlocks(), MemorySegment.ofArray(mass), 4L * pages);
            double read = 0;
            for (int i = 0; i < end; i++) {
                read += mass[chosen[i]];
                mass[chosen[i]] = 0;
            }
            double missed = 0;
            for (int page = 0; page < pages; page++) {
                missed += mass[page];
            }
            readMass[head] = (float) read;
            tally.missedSum += missed;
            tally.missedMax = Math.max(tally.missedMax, missed);
        }
    }

    /**
     * Divides each query head's output by the mass that it read. By what was summed, not by one minus the rest: a query
     * may read next to nothing of its mass.
     *
     * @param out {@code [queryHeads][headSize]}, changed
     */
    void renormalise(MemorySegment out) {
        MemorySegment onHost = MemorySegment.ofArray(query); // the query has served
        device.read(out, 0, onHost, 4L * query.length);
        for (int i = 0; i < query.length; i++) {
            query[i] /= Math.max(Float.MIN_NORMAL, readMass[i / geometry.headSize()]);
        }
        device.write(onHost, out, 0, 4L * query.length);
    }

    private void count(int pages, int pagesRead, int pagesBounded, Tally tally) {
        tally.tiles += (long) pages * geometry.kvHeads();
        tally.tilesRead += (long) pagesRead * geometry.kvHeads();
        tally.bytes += 2L * pagesRead * geometry.blockBytes() + (long) pagesBounded * budget.pageBytes();
    }
}
