package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.ValueTier;

/** What layers of sequences and cached spans have in common: blocks and homes that change hands by reference. */
final class LayerSharing {
    private final BlockPool pool;
    private final ValueTier tier;
    private final HostCopies copies;

    LayerSharing(BlockPool pool, ValueTier tier, HostCopies copies) {
        this.pool = pool;
        this.tier = tier;
        this.copies = copies;
    }

    /** Gives {@code child} the same blocks as {@code parent}, with a reference each. */
    void fork(LayerBlocks parent, LayerBlocks child) {
        LayerShape shape = child.shape;
        System.arraycopy(parent.positions, 0, child.positions, 0, shape.kept());
        copy(parent.keys, child.keys, shape.blocks());
        copy(parent.values, child.values, shape.blocks());
        copy(parent.standIns.summaries, child.standIns.summaries, parent.standIns.summaryEnd(shape.settledBlocks()));
        copy(parent.standIns.codes, child.standIns.codes, parent.standIns.codeEnd(shape.settledBlocks()));
        for (int block = 0; block < shape.blocks(); block++) {
            int home = parent.homes.get(block);
            child.homes.set(block, home);
            if (home != ABSENT) {
                tier.retain(home);
            }
        }
        if (child.queries != null && parent.queries != null && shape.kept() > 0) {
            child.queries.shareFrom(parent.queries);
            copy(parent.queries.table(), child.queries.table(), child.queries.blocks());
        }
    }

    private void copy(IntTable from, IntTable to, int entries) {
        for (int entry = 0; entry < entries; entry++) {
            int id = from.get(entry);
            to.set(entry, id);
            if (id != ABSENT) {
                pool.retain(id);
            }
        }
    }

    /** What {@code count} settled blocks from {@code first} on hold, with a reference each for the caller. */
    CachedSpan.Blocks share(LayerBlocks layer, int first, int count) {
        CachedSpan.Blocks span = new CachedSpan.Blocks(count, layer.blockTokens());
        for (int i = 0; i < count; i++) {
            span.keys[i] = layer.keys.get(first + i);
            span.homes[i] = layer.homes.get(first + i);
            span.values[i] = span.homes[i] == ABSENT ? layer.values.get(first + i) : ABSENT;
            retain(span, i);
        }
        System.arraycopy(layer.positions, first * layer.blockTokens(), span.positions, 0, span.positions.length);
        return span;
    }

    private void retain(CachedSpan.Blocks span, int i) {
        pool.retain(span.keys[i]);
        if (span.values[i] != ABSENT) {
            pool.retain(span.values[i]);
        }
        if (span.homes[i] != ABSENT) {
            tier.retain(span.homes[i]);
        }
    }

    /** Takes a reference on everything that a span holds. */
    void retain(CachedSpan span) {
        for (CachedSpan.Blocks layer : span.layers) {
            for (int i = 0; i < layer.keys.length; i++) {
                retain(layer, i);
            }
        }
    }

    /** Drops a reference on everything that a span holds. */
    void release(CachedSpan span) {
        for (CachedSpan.Blocks layer : span.layers) {
            for (int i = 0; i < layer.keys.length; i++) {
                pool.release(layer.keys[i]);
                if (layer.values[i] != ABSENT) {
                    pool.release(layer.values[i]);
                }
                if (layer.homes[i] != ABSENT) {
                    copies.release(layer.homes[i]);
                }
            }
        }
    }

    /**
     * Device blocks that a layer needs to start with what it has adopted.
     *
     * @param copied tokens of a block that are copied behind it
     */
    static int blocksToStart(LayerBlocks layer, int copied) {
        LayerShape before = new LayerShape(layer.shape);
        before.append(copied);
        if (before.kept() == 0) {
            return 0;
        }
        LayerShape after = before.truncated(before.kept());
        int onboard = Math.max(0, Math.min(before.residentFrom(), before.blocks()) - after.residentFrom());
        int standIns = after.standInBlocks(after.settledBlocks());
        int passing = standIns > 0 && after.residentFrom() > after.sinkBlocks() ? 1 : 0;
        return onboard + standIns + passing + after.queryBlocks() + (copied > 0 ? 2 : 0);
    }

    /** Gives a layer the blocks of a span behind what it holds. */
    void adopt(LayerBlocks layer, CachedSpan.Blocks span) {
        int first = layer.shape.blocks();
        for (int i = 0; i < span.keys.length; i++) {
            retain(span, i);
            layer.keys.set(first + i, span.keys[i]);
            layer.values.set(first + i, span.values[i]);
            layer.homes.set(first + i, span.homes[i]);
        }
        System.arraycopy(span.positions, 0, layer.positions, first * layer.blockTokens(), span.positions.length);
        layer.shape.adopt(span.keys.length);
    }

    /** Has a layer hold the blocks of a span, which have the same content, instead of its own from {@code first} on. */
    void replace(LayerBlocks layer, int first, CachedSpan.Blocks span) {
        for (int i = 0; i < span.keys.length; i++) {
            retain(span, i);
            layer.swap(layer.keys, first + i, span.keys[i]);
            if (span.values[i] != ABSENT) {
                layer.swap(layer.values, first + i, span.values[i]);
            } else {
                copies.release(layer.homes.get(first + i));
                layer.homes.set(first + i, span.homes[i]);
            }
        }
    }

    /** Blocks of V that a cut to {@code newLength} tokens must bring back. */
    static int blocksToOnboard(LayerBlocks[] layers, int newLength) {
        int blocks = 0;
        for (LayerBlocks layer : layers) {
            blocks += layer.blocksToOnboard(layer.slotsBelow(newLength));
        }
        return blocks;
    }

    /**
     * Whether a layer of {@code length} tokens that is cut to {@code newLength} holds what it would hold had it never
     * been longer: nothing that is cut away took part in a pruning of what stays.
     */
    static boolean isWholeBelow(LayerShape shape, int newLength, int length) {
        int openTokens = shape.kept() - shape.frontier();
        return !shape.prunes() || newLength >= length - openTokens || newLength % shape.windowTokens() == 0;
    }

    /** Writes a layer's block ids from entry {@code at} on; returns the slots used in its last block. */
    static int export(LayerBlocks layer, int[] keyIds, int[] valueIds, int at) {
        LayerShape shape = layer.shape;
        for (int block = 0; block < shape.blocks(); block++) {
            keyIds[at + block] = layer.keys.get(block);
            valueIds[at + block] = layer.values.get(block);
            if (valueIds[at + block] == ABSENT) {
                throw new IllegalStateException("V of block " + block + " of layer " + shape.layer
                        + " is in host memory; only what is in device memory can be exported");
            }
        }
        return shape.kept() - (shape.blocks() - 1) * layer.blockTokens();
    }
}
