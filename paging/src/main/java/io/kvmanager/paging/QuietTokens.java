package io.kvmanager.paging;

import java.util.Arrays;

/**
 * How many of a sequence's next tokens need no block, no home and no decision, layer by layer: inside a block that
 * nobody else holds a token raises counts, and nothing settles, is dropped or becomes due for pruning. So neither the
 * count before a step nor the work behind it has to look at such a layer.
 *
 * <p>Found when a step is committed; each token takes one. Forgotten when anything else happens to the sequence: a fork
 * shares its open blocks, a suspension links blocks to homes.
 */
final class QuietTokens {
    private static final int NOT_ASKED = -1;

    private final LayerBlocks[] layers;
    private final BlockPool pool;
    private final HostCopies copies;
    private final int[] left;

    QuietTokens(LayerBlocks[] layers, BlockPool pool, HostCopies copies) {
        this.layers = layers;
        this.pool = pool;
        this.copies = copies;
        left = new int[layers.length];
    }

    /** Whether the next {@code tokens} tokens are quiet in a layer. */
    boolean cover(int layer, int tokens) {
        return left[layer] >= tokens;
    }

    /** Makes room for one token in every layer; what that can take was reserved. */
    void extend(int position) {
        for (int layer = 0; layer < layers.length; layer++) {
            if (left[layer] > 0) {
                append(layers[layer], position);
            } else {
                layers[layer].extend(position);
            }
        }
    }

    private static void append(LayerBlocks layer, int position) {
        LayerShape shape = layer.shape;
        layer.positions[shape.kept()] = position;
        shape.append(1);
        layer.slots.set(shape.kept());
        if (layer.queries != null) {
            layer.queries.advance(position);
        }
    }

    /** Prunes, settles and drops behind a step, where there is anything to do, and looks ahead from there. */
    void settle(LayerAttention attention, PyramidSchedule schedule) {
        if (left[0] == 0) {
            forget(); // how long the recent window is depends on what layer 0 holds
        }
        int recent = NOT_ASKED;
        for (int layer = 0; layer < layers.length; layer++) {
            if (left[layer] > 0) {
                left[layer]--;
            } else {
                recent = recent == NOT_ASKED ? schedule.recentInGeneration(layers[0].kept()) : recent;
                attention.settle(layers[layer], recent);
                find(layer, schedule.recentInGeneration(layers[0].kept()));
            }
        }
    }

    /** Looks ahead from a layer that has just been settled, with {@code recent} tokens in the recent window. */
    private void find(int layer, int recent) {
        LayerBlocks blocks = layers[layer];
        int quiet = blocks.shape.quietTokens(recent);
        boolean own = quiet > 0 && isOwn(blocks.keys.get(blocks.shape.blocks() - 1));
        own = own && isOwn(blocks.values.get(blocks.shape.blocks() - 1));
        QueryWindow window = blocks.queries;
        for (int i = 0; own && window != null && i < window.blocks(); i++) {
            own = isOwn(window.table().get(i));
        }
        left[layer] = own ? quiet : 0;
    }

    /** Whether nobody else holds a block; then it may be written to, so it is no home's copy from here on. */
    private boolean isOwn(int id) {
        if (pool.references(id) > 1) {
            return false;
        }
        copies.unlink(id);
        return true;
    }

    void forget() {
        Arrays.fill(left, 0);
    }
}
