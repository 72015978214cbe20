package io.kvmanager.inference.evaluation;

import java.util.List;

/**
 * Attention mass that each layer would miss, mean over the steps behind a prompt.
 *
 * @param shares candidate shares, ascending, the last one 1
 * @param lost per layer and share, 0..1
 */
public record MassTable(List<Double> shares, List<List<Double>> lost) {

    public MassTable {
        shares = List.copyOf(shares);
        lost = lost.stream().map(List::copyOf).toList();
        if (shares.isEmpty() || shares.getLast() != 1) {
            throw new IllegalArgumentException("candidate shares " + shares + " do not end in 1");
        }
    }

    int layers() {
        return lost.size();
    }

    /** Mass that {@code layer} misses with the {@code share}-th candidate. */
    double lost(int layer, int share) {
        return lost.get(layer).get(share);
    }
}
