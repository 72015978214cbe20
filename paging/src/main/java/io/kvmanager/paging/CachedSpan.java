package io.kvmanager.paging;

import io.kvmanager.paging.BlockIdentity.Scope;
import java.util.LinkedHashSet;
import java.util.SequencedSet;
import org.jspecify.annotations.Nullable;

/**
 * What a stretch of tokens left behind in every layer: the blocks of one block of tokens, or of one pruned chunk. Its
 * owner holds a reference on each of them.
 */
final class CachedSpan {
    final Scope scope;
    final @Nullable CachedSpan parent;
    final int[] tokens;
    final Blocks[] layers;
    final SequencedSet<CachedSpan> continuations = new LinkedHashSet<>();

    /**
     * Creates a span without blocks.
     *
     * @param scope of its identity
     * @param parent the span that it continues, or null
     * @param tokens its ids; not a copy
     */
    CachedSpan(Scope scope, @Nullable CachedSpan parent, int[] tokens, int layers) {
        this.scope = scope;
        this.parent = parent;
        this.tokens = tokens;
        this.layers = new Blocks[layers];
    }

    /**
     * One layer of a span.
     *
     * <pre>
     * keys      [blocks]            K block
     * values    [blocks]            V block where V has no home, else absent
     * homes     [blocks]            home of V, or absent
     * positions [blocks * slots]    token position of each slot
     * </pre>
     */
    static final class Blocks {
        final int[] keys;
        final int[] values;
        final int[] homes;
        final int[] positions;

        Blocks(int blocks, int blockTokens) {
            keys = new int[blocks];
            values = new int[blocks];
            homes = new int[blocks];
            positions = new int[blocks * blockTokens];
        }
    }
}
