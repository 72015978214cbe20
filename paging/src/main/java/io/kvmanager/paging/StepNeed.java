package io.kvmanager.paging;

import io.kvmanager.KvCacheException.SequenceTooLong;

/** Blocks and homes that one sequence's next step can need, counted before anything is reserved. */
final class StepNeed {
    private final PagedBackend backend;
    private int blocks;
    private int homes;
    private long batch;

    StepNeed(PagedBackend backend) {
        this.backend = backend;
    }

    /**
     * Counts for a step of {@code tokens} tokens behind {@code length}.
     *
     * @throws SequenceTooLong if the sequence would exceed its limit
     */
    void count(LayerBlocks[] layers, QuietTokens quiet, int length, int tokens) {
        if (tokens < 1) {
            throw new IllegalArgumentException("a prompt of " + tokens + " tokens; accepted: 1 or more");
        }
        int limit = backend.config().maxSequenceTokens();
        if (length + tokens > limit) {
            throw new SequenceTooLong(length + tokens, limit);
        }
        if (length == 0 && tokens > 1) {
            Footprint prompt = backend.footprint().run(tokens, tokens);
            blocks = prompt.peakBlocks();
            homes = prompt.peakHomes();
            return;
        }
        blocks = 0;
        homes = 0;
        if (tokens > 1 && backend.schedule().prunesInChunks()) {
            countChunks(layers, tokens);
            return;
        }
        int recent = backend.schedule().recentInGeneration(layers[0].kept() + 1);
        for (int i = 0; i < layers.length; i++) {
            if (!quiet.cover(i, tokens)) {
                LayerBlocks layer = layers[i];
                blocks += layer.shape.newBlocks(tokens) + layer.sharedBlocks(tokens, recent);
                homes += layer.shape.newHomes(tokens);
            }
        }
    }

    /** Counts for a prompt whose layers are pruned one by one, each before the next begins. */
    private void countChunks(LayerBlocks[] layers, int tokens) {
        int before = 0;
        for (LayerBlocks layer : layers) {
            LayerShape after = new LayerShape(layer.shape);
            int copies = layer.sharedBlocks(tokens, 0);
            int most = layer.shape.newBlocks(tokens);
            if (LayerAttention.isComplete(layer)) {
                most = after.extendInChunks(tokens);
                after.settle();
                most = Math.max(most, after.newBlocksSince(layer.shape)); // means are made before V is dropped
                after.drop();
            }
            blocks = Math.max(blocks, before + copies + most);
            before += copies + (LayerAttention.isComplete(layer) ? after.newBlocksHeldSince(layer.shape) : most);
            homes += layer.shape.newHomes(tokens);
        }
    }

    int blocks() {
        return blocks;
    }

    int homes() {
        return homes;
    }

    /** Notes the batch that the step is part of; false if the sequence has a step in it already. */
    boolean joins(long batchNumber) {
        boolean first = batch != batchNumber;
        batch = batchNumber;
        return first;
    }
}
