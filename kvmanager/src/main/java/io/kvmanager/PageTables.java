package io.kvmanager;

import java.lang.foreign.MemorySegment;

/**
 * Block tables of a batch for one layer, in the form that paged attention kernels of other engines read (FlashInfer,
 * arXiv 2501.01005): three int32 arrays, and the slab that they point into. A snapshot: it holds until one of its
 * sequences is stepped, changed or closed.
 *
 * <pre>
 * indptr      [sequences + 1]   blocks of sequence i are entries indptr[i] .. indptr[i + 1] - 1
 * keys        [indptr[last]]    block ids of K, in logical order
 * values      [indptr[last]]    block ids of V
 * lastPageLen [sequences]       slots used in a sequence's last block, 1 .. blockTokens
 *
 * block id b starts at byte b * blockBytes of the slab:
 *   V, and K on a CUDA device   [kvHeads][blockTokens][headSize], the layout "HND"
 *   K on the host               [kvHeads][headSize][blockTokens] in F32, [kvHeads][headSize / 2][blockTokens][2] else
 * </pre>
 */
public final class PageTables {
    private final MemorySegment slab;
    private final int[] indptr;
    private final int[] keys;
    private final int[] values;
    private final int[] lastPageLen;

    /** Takes the arrays as they are. */
    public PageTables(MemorySegment slab, int[] indptr, int[] keys, int[] values, int[] lastPageLen) {
        this.slab = slab.asReadOnly();
        this.indptr = indptr;
        this.keys = keys;
        this.values = values;
        this.lastPageLen = lastPageLen;
    }

    /** All blocks of the cache, in device memory; read-only. */
    public MemorySegment slab() {
        return slab;
    }

    /** A copy. */
    public int[] indptr() {
        return indptr.clone();
    }

    /** A copy. */
    public int[] keys() {
        return keys.clone();
    }

    /** A copy. */
    public int[] values() {
        return values.clone();
    }

    /** A copy. */
    public int[] lastPageLen() {
        return lastPageLen.clone();
    }
}
