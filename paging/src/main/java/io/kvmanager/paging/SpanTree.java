package io.kvmanager.paging;

import io.kvmanager.paging.BlockIdentity.Scope;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.SequencedSet;
import org.jspecify.annotations.Nullable;

/**
 * Cached spans by the spans that they continue, and those that continue none by their scope: whoever may not share a
 * full block does not come to see a part of one either.
 */
final class SpanTree {
    /** Spans that a request is compared with, newest first. */
    static final int MOST_COMPARED = 32;

    private static final SequencedSet<CachedSpan> NONE = Collections.unmodifiableSequencedSet(new LinkedHashSet<>());

    private final Map<Scope, SequencedSet<CachedSpan>> roots = new HashMap<>();

    void add(CachedSpan span) {
        SequencedSet<CachedSpan> siblings = span.parent == null
                ? roots.computeIfAbsent(span.scope, scope -> new LinkedHashSet<>())
                : span.parent.continuations;
        siblings.add(span);
    }

    /** Removes a span that no other continues. */
    void remove(CachedSpan span) {
        SequencedSet<CachedSpan> siblings = following(span.scope, span.parent);
        siblings.remove(span);
        if (span.parent == null && siblings.isEmpty()) {
            roots.remove(span.scope);
        }
    }

    /** Spans that continue a span or, if there is none, begin a scope; the oldest first. */
    private SequencedSet<CachedSpan> following(Scope scope, @Nullable CachedSpan parent) {
        return parent == null ? roots.getOrDefault(scope, NONE) : parent.continuations;
    }

    /**
     * The longest head that tokens have behind a prefix, or null if all of them begin with another token.
     *
     * @param parent last span of the prefix, or null where it is empty
     * @param tokens ids from {@code from} to {@code to} are those behind the prefix
     */
    @Nullable
    SpanHead longest(Scope scope, @Nullable CachedSpan parent, int[] tokens, int from, int to) {
        SpanHead longest = null;
        int length = 0;
        Iterator<CachedSpan> newest = following(scope, parent).reversed().iterator();
        for (int i = 0; i < MOST_COMPARED && newest.hasNext(); i++) {
            CachedSpan span = newest.next();
            int common = common(span.tokens, tokens, from, to);
            if (common > length) {
                length = common;
                longest = new SpanHead(span, common);
            }
        }
        return longest;
    }

    /** Tokens that a span and a request have in common from their first on; not all of the span's. */
    private static int common(int[] span, int[] tokens, int from, int to) {
        int most = Math.min(span.length - 1, to - from);
        int differs = Arrays.mismatch(span, 0, most, tokens, from, from + most);
        return differs < 0 ? most : differs;
    }

    /** Whether a span is where it belongs. */
    boolean holds(CachedSpan span) {
        return following(span.scope, span.parent).contains(span);
    }

    /** Scopes that have a span. */
    int scopes() {
        return roots.size();
    }
}
