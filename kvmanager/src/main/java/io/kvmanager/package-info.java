/**
 * The API of the KV cache manager: {@link io.kvmanager.KvCache} opens a cache from a
 * {@link io.kvmanager.KvCacheConfig}, {@link io.kvmanager.KvSequence} is one request.
 *
 * <p>Reading order: {@code KvCache}, {@code KvSequence}, {@code CacheGeometry}, {@code KvCacheConfig},
 * {@code RetentionPolicy}, {@code PlacementPolicy}, then package {@code io.kvmanager.spi} and the paging module.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>Nothing is null unless marked so.
 *   <li>Sizes are bytes, lengths tokens, times nanoseconds, ratios 0..1, and names say which.
 *   <li>Whoever opens closes. A closed handle throws {@link java.lang.IllegalStateException}; only a cache may be
 *       closed twice.
 *   <li>Threads: every method of a cache (open, admit, begin, close, ledger, memory, audit) may be called from any
 *       thread at any time. A sequence has one writer: one thread at a time, handed over with a happens-before edge;
 *       {@code KvCache.begin} is a write to each sequence of its batch. Different sequences may be used by different
 *       threads; the cache runs their layers one after the other.
 *   <li>Closing a cache closes its sequences, whoever uses them: their next call throws.
 *   <li>A device that fails in a step or in {@code truncate} leaves a sequence that throws until it is closed; closing
 *       it gives back all it held. Of a batch that fails in {@code begin}, close every sequence. {@code openSequence},
 *       {@code fork}, {@code suspend} and {@code resume} change nothing then. Other sequences go on.
 *   <li>A failed reservation throws a {@link io.kvmanager.KvCacheException} and leaves everything as it was.
 * </ul>
 */
@NullMarked
package io.kvmanager;

import org.jspecify.annotations.NullMarked;
