package io.kvmanager;

/**
 * Bytes of a cache. "Used" counts blocks that somebody holds plus everything that was allocated beside the slab: tables
 * and workspace.
 *
 * @param deviceBytes device bytes used now
 * @param deviceBytesPeak device bytes used at most since open
 * @param deviceBytesAllocated device bytes taken at open, free blocks included
 * @param hostBytes host bytes used now
 * @param hostBytesPeak host bytes used at most since open
 * @param hostBytesAllocated host bytes taken at open
 */
public record MemoryUse(
        long deviceBytes,
        long deviceBytesPeak,
        long deviceBytesAllocated,
        long hostBytes,
        long hostBytesPeak,
        long hostBytesAllocated) {}
