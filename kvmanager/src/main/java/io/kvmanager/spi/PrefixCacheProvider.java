package io.kvmanager.spi;

import java.util.List;

/** Opens prefix caches. Implementations are public classes with a public no-argument constructor. */
public interface PrefixCacheProvider {

    /** Names of the eviction policies, the plainest first. */
    List<String> policies();

    /**
     * Opens an empty cache.
     *
     * @param policy one of {@link #policies}
     * @param cachedBlocks blocks that may stay cached, 1 or more
     * @param longestRequestBlocks blocks of the longest request, 1 or more; room for one stands beside what is cached
     * @throws IllegalArgumentException if the policy is unknown or a number is too small
     */
    PrefixCache open(String policy, int cachedBlocks, int longestRequestBlocks);
}
