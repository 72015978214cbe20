package io.kvmanager.paging;

/**
 * The part of a cached block that a request can begin with.
 *
 * @param span of one block
 * @param tokens leading tokens that the request has as well, 1 or more and fewer than the block's
 */
record SpanHead(CachedSpan span, int tokens) {}
