package io.kvmanager.paging;

import io.kvmanager.CapturedStep;
import io.kvmanager.spi.Device;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/** A token's launches, recorded for one sequence, which closes them with itself. */
final class CapturedAttention implements CapturedStep {
    private final Device.Recording recording;
    private final ReentrantLock lock;
    private final StepProtocol step;
    private final LayerBlocks[] layers;
    private final List<CapturedAttention> open;

    /**
     * Joins {@code open}.
     *
     * @param open recordings of the sequence that are not closed
     */
    CapturedAttention(
            Device.Recording recording,
            ReentrantLock lock,
            StepProtocol step,
            LayerBlocks[] layers,
            List<CapturedAttention> open) {
        this.recording = recording;
        this.lock = lock;
        this.step = step;
        this.layers = layers;
        this.open = open;
        open.add(this);
    }

    @Override
    public void replay() {
        lock.lock();
        try {
            step.requireLayer(0, false);
            recording.launch();
            for (LayerBlocks layer : layers) {
                layer.tally.attention();
                step.layerDone(layers.length);
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        lock.lock();
        try {
            recording.close();
            open.remove(this);
        } finally {
            lock.unlock();
        }
    }
}
