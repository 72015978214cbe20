package io.kvmanager.inference.evaluation;

import io.kvmanager.RetentionPolicy.PerLayer;
import java.util.ArrayList;
import java.util.List;

/** Adds up, per layer and candidate share, the attention mass that recorded steps pay to what would not be kept. */
final class LostMass {
    private final List<Double> shares;
    private final double[][] lost;
    private int recordings;

    LostMass(List<Double> shares, int layers) {
        this.shares = List.copyOf(shares);
        lost = new double[layers][shares.size()];
    }

    /** Adds a recording. */
    void add(AttentionRecorder recorder, PerLayer policy) {
        int prompt = recorder.promptTokens();
        for (int layer = 0; layer < lost.length; layer++) {
            int[] order = recorder.layer(layer).order(prompt, policy);
            double[] masses = recorder.layer(layer).masses(prompt);
            for (int share = 0; share < lost[layer].length; share++) {
                for (int i = RecordedLayer.kept(prompt, shares.get(share), policy); i < prompt; i++) {
                    lost[layer][share] += masses[order[i]];
                }
            }
        }
        recordings++;
    }

    /** The mean over what was added. */
    MassTable table() {
        List<List<Double>> means = new ArrayList<>();
        for (double[] layer : lost) {
            List<Double> row = new ArrayList<>();
            for (double sum : layer) {
                row.add(recordings == 0 ? 0 : sum / recordings);
            }
            means.add(row);
        }
        return new MassTable(shares, means);
    }

    /** The larger of two tables, entry by entry. */
    static MassTable larger(MassTable a, MassTable b) {
        List<List<Double>> larger = new ArrayList<>();
        for (int layer = 0; layer < a.layers(); layer++) {
            List<Double> row = new ArrayList<>();
            for (int share = 0; share < a.shares().size(); share++) {
                row.add(Math.max(a.lost(layer, share), b.lost(layer, share)));
            }
            larger.add(row);
        }
        return new MassTable(a.shares(), larger);
    }
}
