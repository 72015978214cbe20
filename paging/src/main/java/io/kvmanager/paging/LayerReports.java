package io.kvmanager.paging;

import io.kvmanager.FetchReport;
import io.kvmanager.HeadFetch;
import java.util.List;

/** What value fetching did in a sequence, in all layers and in one. */
final class LayerReports {
    private final LayerBlocks[] layers;
    private final long blockBytes;

    LayerReports(LayerBlocks[] layers, long blockBytes) {
        this.layers = layers;
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
        LayerShape shape = layers[layer].shape;
        return layers[layer].tally.report(shape.summaryBlocks(shape.settledBlocks()) * blockBytes);
    }

    List<HeadFetch> heads(int layer) {
        return layers[layer].tally.heads();
    }
}
