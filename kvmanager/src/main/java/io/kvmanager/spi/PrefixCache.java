package io.kvmanager.spi;

import java.util.List;

/**
 * The bookkeeping of cached prefixes without memory behind the blocks: what would be found, kept and evicted. For
 * replaying traces and measuring eviction policies. Not thread-safe.
 */
public interface PrefixCache {

    /**
     * Serves one request: finds its longest cached prefix, takes blocks for the rest, registers them, lets go of all of
     * them and evicts down to what may stay cached.
     *
     * @param digests identities of blocks, four longs each; a block's digest covers all blocks before it
     * @param firstBlock where the request's chain starts in {@code digests}, in blocks
     * @param blocks blocks of the request
     * @param priority 0 or more; only a policy by priority looks at it
     * @param arrivalMillis time of the request; an earlier one than the last counts as that
     * @return blocks that were cached
     */
    int serve(long[] digests, int firstBlock, int blocks, int priority, long arrivalMillis);

    /** Blocks that are cached now. */
    int cachedBlocks();

    /** Blocks evicted so far. */
    long evictedBlocks();

    /** Recounts the structure; empty where all is well. */
    List<String> audit();
}
