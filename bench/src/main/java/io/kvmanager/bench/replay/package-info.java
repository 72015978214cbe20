/**
 * {@code kv replay}: recorded serving traffic through the prefix index under several eviction policies. Reading order:
 * {@code ReplayCommand}, {@code TraceFile}, {@code Trace}, {@code TraceReplay}, {@code OfflineOptimum}.
 */
@NullMarked
package io.kvmanager.bench.replay;

import org.jspecify.annotations.NullMarked;
