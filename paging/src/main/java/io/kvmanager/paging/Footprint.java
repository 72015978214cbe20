package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheConfig;

/**
 * Blocks that a sequence holds over its life, found by running its {@link LayerShape}s without blocks. A prompt is
 * computed layer by layer, so its peak is not the sum of full layers: layer l is full while the layers before it are
 * already pruned and offloaded.
 */
final class Footprint {
    private final CacheGeometry geometry;
    private final PyramidSchedule schedule;
    private final LayerShape[] shapes;
    private int peakBlocks;
    private int peakHomes;

    Footprint(KvCacheConfig config) {
        geometry = config.geometry();
        schedule = new PyramidSchedule(config.retention(), geometry.layers(), geometry.blockTokens());
        shapes = new LayerShape[geometry.layers()];
        for (int layer = 0; layer < shapes.length; layer++) {
            shapes[layer] = new LayerShape(layer, schedule, geometry, config.placement());
        }
    }

    /** Runs a prompt and then tokens one by one up to {@code totalTokens}; forgets earlier runs. */
    Footprint run(int promptTokens, int totalTokens) {
        peakBlocks = 0;
        peakHomes = 0;
        for (LayerShape shape : shapes) {
            shape.truncate(0);
        }
        if (promptTokens > 0) {
            prompt(promptTokens);
        }
        for (int token = promptTokens; token < totalTokens; token++) {
            step();
        }
        return this;
    }

    /** Most device blocks held or reserved at once. */
    int peakBlocks() {
        return peakBlocks;
    }

    /** Most homes held or reserved at once. */
    int peakHomes() {
        return peakHomes;
    }

    /** A first prompt; the order of the steps within a layer is that of {@code PagedSequence.attendPrompt}. */
    private void prompt(int tokens) {
        int rows = tokens;
        int before = 0;
        int homes = 0;
        for (LayerShape shape : shapes) {
            int layer = shape.layer;
            int full = 2 * geometry.blocksFor(schedule.peakInPrompt(layer, rows)) + shape.queryBlocks();
            shape.prompt(schedule.keptAfterPrompt(layer, rows), schedule.recentAfterPrompt(tokens));
            int settled = shape.settle();
            // K and V of every row; then, compacted, K and V of what is kept and what stands in for V, before V is
            // dropped
            int compacted = 2 * shape.blocks() + shape.queryBlocks() + shape.standInBlocks(settled);
            peakBlocks = Math.max(peakBlocks, before + Math.max(full, compacted));
            shape.drop();
            before += shape.deviceBlocks();
            homes += shape.homes(settled);
            rows = schedule.propagatedRows(layer, rows, tokens);
        }
        peakHomes = Math.max(peakHomes, homes);
    }

    private void step() {
        int held = 0;
        int homes = 0;
        for (LayerShape shape : shapes) {
            held += shape.deviceBlocks() + shape.newBlocks(1);
            homes += shape.homes(shape.settledBlocks()) + shape.newHomes(1);
        }
        peakBlocks = Math.max(peakBlocks, held);
        peakHomes = Math.max(peakHomes, homes);
        int recent = schedule.recentInGeneration(shapes[0].kept() + 1);
        for (LayerShape shape : shapes) {
            shape.append(1);
            while (shape.pruneDue(recent)) {
                shape.pruned();
            }
            shape.settle();
            shape.drop();
        }
    }
}
