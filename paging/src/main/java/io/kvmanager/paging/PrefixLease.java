package io.kvmanager.paging;

/**
 * A request's hold on a cached prefix: nothing of it is evicted until the lease is closed. It grows as the request
 * fills blocks. A closed lease throws. Not thread-safe.
 */
final class PrefixLease implements AutoCloseable {
    private final PrefixIndex index;
    private final int hits;
    private final int priority;
    private final long arrivedMillis;
    private int deepest;
    private int blocks;
    private boolean closed;

    PrefixLease(PrefixIndex index, int deepest, int hits, int priority, long arrivedMillis) {
        this.index = index;
        this.deepest = deepest;
        this.hits = hits;
        this.priority = priority;
        this.arrivedMillis = arrivedMillis;
        blocks = hits;
    }

    /** Blocks of the prefix. */
    int blocks() {
        requireOpen();
        return blocks;
    }

    /** Blocks that were cached when the lease was taken. */
    int hits() {
        return hits;
    }

    int priority() {
        return priority;
    }

    long arrivedMillis() {
        return arrivedMillis;
    }

    /** Entry of the last block, or {@link EvictionOrder#NONE} where there is none. */
    int deepest() {
        return deepest;
    }

    /** Writes the pool's block of every block of the prefix, first block first. */
    void copyBlocks(int[] blockIds) {
        requireOpen();
        index.copyBlocks(deepest, blocks, blockIds);
    }

    /**
     * Adds the next full block of the request.
     *
     * @param digest holds its identity, four longs from {@code offset} on; the parent's is this prefix
     * @param blockId the block that holds it
     * @return {@code blockId}; or the block that holds the same content already, to be used instead
     */
    int register(long[] digest, int offset, int blockId) {
        requireOpen();
        deepest = index.register(deepest, digest, offset, blockId);
        blocks++;
        return index.blockId(deepest);
    }

    /** Lets go; from here on what nobody else holds may be evicted. */
    @Override
    public void close() {
        requireOpen();
        index.release(this);
        closed = true;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the lease is closed");
        }
    }
}
