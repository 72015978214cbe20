package io.kvmanager.paging;

import io.kvmanager.PrefixRequest;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One sequence's share in the cached prefixes: the tokens that it was told, their identities, and a lease on the spans
 * that it uses or has left behind.
 *
 * <pre>
 * tokens   [named]                    ids of the first tokens
 * digests  [spans][4]                 identity of each full span of them, computed when it is needed
 * lease                               pins the spans before {@code lease.blocks()}
 * head                                part of one more block, until the sequence has started
 * </pre>
 */
final class SequencePrefix {
    private final PrefixSharing sharing;
    private final BlockIdentity.Scope scope;
    private final BlockIdentity identity;
    private final int priority;
    private int[] tokens;
    private int named;
    private long[] digests = new long[0];
    private int digested;
    private @Nullable PrefixLease lease;
    private @Nullable SpanHead head;
    private boolean ended;

    SequencePrefix(PrefixSharing sharing, PrefixRequest request) {
        this.sharing = sharing;
        this.scope = sharing.scope(request);
        this.identity = new BlockIdentity(scope);
        this.priority = request.priority();
        this.tokens = request.tokens();
        this.named = tokens.length;
        int spans = PrefixIndex.sharableBlocks(named, sharing.spanTokens());
        digest(spans);
        lease = sharing.lookup(digests, spans, priority);
        head = sharing.head(lease, scope, tokens, named);
    }

    private SequencePrefix(SequencePrefix of) {
        sharing = of.sharing;
        scope = of.scope;
        identity = of.identity;
        priority = of.priority;
        tokens = of.tokens.clone();
        named = of.named;
        digests = of.digests.clone();
        digested = of.digested;
        ended = of.ended;
        lease = sharing.lookup(digests, of.lease == null ? 0 : of.lease.blocks(), priority);
    }

    /** The same for a fork. */
    SequencePrefix fork() {
        return new SequencePrefix(this);
    }

    private PrefixLease lease() {
        PrefixLease held = lease;
        if (held == null) {
            throw new IllegalStateException("the lease was let go");
        }
        return held;
    }

    /** Computes the identities of the first {@code spans} spans. */
    private void digest(int spans) {
        if (digests.length < spans * BlockIdentity.DIGEST_LONGS) {
            digests = Arrays.copyOf(digests, Math.max(2 * digests.length, spans * BlockIdentity.DIGEST_LONGS));
        }
        for (; digested < spans; digested++) {
            long[] parents = digested == 0 ? identity.root() : digests;
            identity.digestBlock(
                    parents,
                    Math.max(0, digested - 1) * BlockIdentity.DIGEST_LONGS,
                    tokens,
                    digested * sharing.spanTokens(),
                    digests,
                    digested * BlockIdentity.DIGEST_LONGS);
        }
    }

    /**
     * Gives a sequence without tokens what is cached, or throws and the sequence is to be closed. A part of a block is
     * copied if there is memory for the copy; if not, the sequence starts behind the full blocks.
     *
     * @return tokens of the sequence
     */
    int start(LayerBlocks[] layers, Reservation reservation) {
        for (CachedSpan span : sharing.spansOf(lease())) {
            for (LayerBlocks layer : layers) {
                sharing.layers().adopt(layer, span.layers[layer.shape.layer]);
            }
        }
        boolean copied = head != null && copyHead(head, layers, reservation);
        if (!copied) {
            head = null;
            reservation.begin(blocksToStart(layers, 0), 0);
        }
        int tokens = cachedTokens();
        for (LayerBlocks layer : layers) {
            if (tokens > 0) {
                layer.adopted(tokens);
            }
        }
        reservation.end();
        head = null;
        return tokens;
    }

    /** Reserves what a start needs and copies the head; false, and nothing changed, if memory is short. */
    private boolean copyHead(SpanHead copied, LayerBlocks[] layers, Reservation reservation) {
        sharing.layers().retain(copied.span()); // to reserve may make it go
        try {
            if (!reservation.tryBegin(blocksToStart(layers, copied.tokens()))) {
                return false;
            }
            for (LayerBlocks layer : layers) {
                layer.copyHead(copied.span().layers[layer.shape.layer], copied.tokens(), sharing.zeroRows());
            }
            return true;
        } finally {
            sharing.layers().release(copied.span());
        }
    }

    private static int blocksToStart(LayerBlocks[] layers, int copied) {
        int blocks = 0;
        for (LayerBlocks layer : layers) {
            blocks += LayerSharing.blocksToStart(layer, copied);
        }
        return blocks;
    }

    /** Tokens that are cached, for a sequence that has not started. */
    int cachedTokens() {
        return lease().blocks() * sharing.spanTokens() + (head == null ? 0 : head.tokens());
    }

    /** Appends ids. */
    void name(int[] more) {
        if (named + more.length > tokens.length) {
            tokens = Arrays.copyOf(tokens, Math.max(2 * tokens.length, named + more.length));
        }
        System.arraycopy(more, 0, tokens, named, more.length);
        named += more.length;
    }

    /** Leaves behind what has settled in all layers of a sequence of {@code length} tokens. */
    void register(LayerBlocks[] layers, int length) {
        int known = Math.min(length, named) / sharing.spanTokens();
        while (!ended && lease().blocks() < known && isSettled(layers, lease().blocks())) {
            if (!sharing.hasRoom()) {
                ended = true;
                return;
            }
            int span = lease().blocks();
            digest(span + 1);
            int first = span * sharing.spanTokens();
            int[] ids = Arrays.copyOfRange(tokens, first, first + sharing.spanTokens());
            CachedSpan mine = new CachedSpan(scope, sharing.last(lease()), ids, layers.length);
            for (int layer = 0; layer < layers.length; layer++) {
                int blocks = sharing.blocksOfSpan(layer);
                mine.layers[layer] = sharing.layers().share(layers[layer], span * blocks, blocks);
            }
            CachedSpan other = sharing.register(lease(), digests, span * BlockIdentity.DIGEST_LONGS, mine);
            for (int layer = 0; layer < layers.length && other != null; layer++) {
                sharing.layers().replace(layers[layer], span * sharing.blocksOfSpan(layer), other.layers[layer]);
            }
        }
    }

    private boolean isSettled(LayerBlocks[] layers, int span) {
        for (int layer = 0; layer < layers.length; layer++) {
            if (layers[layer].shape.settledBlocks() < (span + 1) * sharing.blocksOfSpan(layer)) {
                return false;
            }
        }
        return true;
    }

    /**
     * Forgets tokens from {@code length} on.
     *
     * @param whole whether what is left is what a sequence of these tokens alone would hold
     */
    void truncate(int length, boolean whole) {
        named = Math.min(named, length);
        int spans = length / sharing.spanTokens();
        digested = Math.min(digested, spans);
        ended |= !whole;
        if (lease().blocks() > spans) {
            pause();
            resume(length);
        }
    }

    /** Lets the lease go; until {@link #resume} nothing is pinned. */
    void pause() {
        lease().close();
        lease = null;
    }

    /** Takes a lease on what is still cached of a sequence of {@code length} tokens. */
    void resume(int length) {
        lease = sharing.lookup(digests, Math.min(digested, length / sharing.spanTokens()), priority);
    }

    /** Ends the share. */
    void close() {
        if (lease != null) {
            pause();
        }
    }
}
