package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.ElementType;
import io.kvmanager.paging.BlockIdentity.Scope;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Which cached span a request finds, and how much of it. */
class SpanTreeTest {
    private static final Scope MINE = scope("a");
    private static final Scope OTHERS = scope("b");

    private final SpanTree tree = new SpanTree();

    private static Scope scope(String tenant) {
        return new Scope("model", ElementType.F32, 4, 0, "none", Map.of(), "", tenant);
    }

    private CachedSpan add(Scope scope, @Nullable CachedSpan parent, int... tokens) {
        CachedSpan span = new CachedSpan(scope, parent, tokens, 0);
        tree.add(span);
        return span;
    }

    private @Nullable SpanHead longest(@Nullable CachedSpan parent, int from, int... tokens) {
        return tree.longest(MINE, parent, tokens, from, tokens.length);
    }

    @Test
    void theLongestCommonBeginningIsFound() {
        CachedSpan one = add(MINE, null, 1, 2, 3, 4);
        CachedSpan two = add(MINE, null, 1, 2, 8, 9);
        assertEquals(new SpanHead(one, 3), longest(null, 0, 1, 2, 3, 7, 7));
        assertEquals(new SpanHead(two, 2), longest(null, 0, 1, 2, 7), "the newest of equal ones");
        assertEquals(new SpanHead(two, 2), longest(null, 0, 1, 2));
        assertEquals(new SpanHead(one, 3), longest(null, 0, 1, 2, 3, 4, 5), "never the whole span");
        assertNull(longest(null, 0, 2, 2, 3));
        assertNull(longest(null, 0), "no tokens");
    }

    @Test
    void onlyContinuationsOfThePrefixAreCompared() {
        CachedSpan parent = add(MINE, null, 1, 2, 3, 4);
        CachedSpan child = add(MINE, parent, 5, 6, 7, 8);
        assertEquals(new SpanHead(child, 2), longest(parent, 4, 1, 2, 3, 4, 5, 6, 9));
        assertNull(longest(child, 0, 5, 6));
        assertNull(tree.longest(OTHERS, null, new int[] {1, 2}, 0, 2), "of another tenant");
        assertNull(longest(null, 4, 1, 2, 3, 4, 5, 6), "the child begins nothing");
    }

    @Test
    void anEmptyScopeIsForgotten() {
        CachedSpan one = add(MINE, null, 1, 2, 3, 4);
        CachedSpan two = add(MINE, null, 2, 2, 3, 4);
        CachedSpan other = add(OTHERS, null, 1, 2, 3, 4);
        CachedSpan child = add(OTHERS, other, 1, 2, 3, 4);
        assertEquals(2, tree.scopes());
        tree.remove(one);
        assertFalse(tree.holds(one));
        assertTrue(tree.holds(two));
        assertEquals(2, tree.scopes());
        tree.remove(two);
        assertEquals(1, tree.scopes());
        tree.remove(child);
        assertTrue(tree.holds(other));
        assertFalse(tree.holds(child));
        assertEquals(1, tree.scopes());
        tree.remove(other);
        assertEquals(0, tree.scopes());
    }

    @Test
    void oldSpansAreNotComparedForEver() {
        CachedSpan old = add(MINE, null, 1, 2, 3, 4);
        for (int i = 1; i < SpanTree.MOST_COMPARED; i++) {
            assertEquals(new SpanHead(old, 3), longest(null, 0, 1, 2, 3));
            add(MINE, null, 100 + i, 2, 3, 4);
        }
        assertEquals(new SpanHead(old, 3), longest(null, 0, 1, 2, 3));
        add(MINE, null, 99, 2, 3, 4);
        assertNull(longest(null, 0, 1, 2, 3));
    }
}
