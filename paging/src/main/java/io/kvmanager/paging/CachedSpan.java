package io.kvmanager.paging;

/**
 * What a stretch of tokens left behind in every layer: the blocks of one block of tokens, or of one pruned chunk. Its
 * owner holds a reference on each of them.
 */
final class CachedSpan {
    final Blocks[] layers;

    CachedSpan(int layers) {
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
