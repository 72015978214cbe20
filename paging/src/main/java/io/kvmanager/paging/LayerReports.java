package io.kvmanager.paging;

import io.kvmanager.FetchReport;
import io.kvmanager.HeadFetch;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/** What value fetching did in a sequence, in all layers and in one. */
final class LayerReports {
    private final LayerBlocks[] layers;
    private final StepProtocol step;
    private final ReentrantLock lock;
    private final long blockBytes;

    LayerReports(LayerBlocks[] layers, StepProtocol step, ReentrantLock lock, long blockBytes) {
        this.layers = layers;
        this.step = step;
        this.lock = lock;
        this.blockBytes = blockBytes;
    }

    FetchReport all() {
        FetchReport all = FetchReport.NONE;
        long shadowBytes = 0;
        for (int layer = 0; layer < layers.length; layer++) {
            FetchReport one = of(layer);
            all = all.plus(one);
            shadowBytes += one.shadowBytes();
        }
        return all.withShadowBytes(shadowBytes);
    }

    FetchReport of(int layer) {
        lock.lock();
        try {
            step.requireOpen();
            LayerShape shape = layers[layer].shape;
            return layers[layer].tally.report(shape.standInBlocks(shape.settledBlocks()) * blockBytes);
        } finally {
            lock.unlock();
        }
    }

    List<HeadFetch> heads(int layer) {
        lock.lock();
        try {
            step.requireOpen();
            return layers[layer].tally.heads();
        } finally {
            lock.unlock();
        }
    }
}
