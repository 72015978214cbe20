package io.kvmanager.inference.evaluation;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * Chooses a share for each layer.
 *
 * <ol>
 *   <li>Each layer: the smallest candidate that misses no more mass than tolerated.
 *   <li>While the trial fails: the layer that misses most goes up one candidate.
 *   <li>While anything changes: each layer, the one that saves most first, goes down one candidate if the trial still
 *       holds. Mass may then exceed what is tolerated, up to {@link #SLACK} times: mass says where to look, the trial
 *       says what is lost.
 * </ol>
 */
final class ShareChooser {
    /** How far the third step goes beyond the tolerated mass. */
    static final double SLACK = 2;

    private final MassTable table;
    private final double tolerance;
    private final Predicate<List<Double>> trial;

    /**
     * Prepares a choice.
     *
     * @param tolerance mass that a layer may miss, 0..1
     * @param trial whether shares, one per layer, lose nothing that matters; 1 everywhere must hold
     */
    ShareChooser(MassTable table, double tolerance, Predicate<List<Double>> trial) {
        this.table = table;
        this.tolerance = tolerance;
        this.trial = trial;
    }

    /** The chosen share of each layer. */
    List<Double> choose() {
        int[] chosen = new int[table.layers()];
        for (int layer = 0; layer < chosen.length; layer++) {
            while (table.lost(layer, chosen[layer]) > tolerance) {
                chosen[layer]++;
            }
        }
        raise(chosen);
        lower(chosen);
        return shares(chosen);
    }

    private void raise(int[] chosen) {
        while (!trial.test(shares(chosen))) {
            int most = -1;
            for (int layer = 0; layer < chosen.length; layer++) {
                boolean prunes = chosen[layer] < table.shares().size() - 1;
                if (prunes && (most < 0 || lost(chosen, layer) > lost(chosen, most))) {
                    most = layer;
                }
            }
            if (most < 0) {
                return; // everything is kept; what is lost now is not lost to pruning
            }
            chosen[most]++;
        }
    }

    private double lost(int[] chosen, int layer) {
        return table.lost(layer, chosen[layer]);
    }

    private void lower(int[] chosen) {
        boolean[] settled = new boolean[chosen.length];
        while (true) {
            int layer = IntStream.range(0, chosen.length)
                    .filter(each -> !settled[each] && mayFall(chosen, each))
                    .boxed()
                    .max(Comparator.comparingDouble(each -> saved(chosen, each)))
                    .orElse(-1);
            if (layer < 0) {
                return;
            }
            chosen[layer]--;
            if (!trial.test(shares(chosen))) {
                chosen[layer]++;
                settled[layer] = true;
            }
        }
    }

    private boolean mayFall(int[] chosen, int layer) {
        return chosen[layer] > 0 && table.lost(layer, chosen[layer] - 1) <= SLACK * tolerance;
    }

    private double saved(int[] chosen, int layer) {
        return table.shares().get(chosen[layer]) - table.shares().get(chosen[layer] - 1);
    }

    private List<Double> shares(int[] chosen) {
        List<Double> shares = new ArrayList<>();
        for (int index : chosen) {
            shares.add(table.shares().get(index));
        }
        return List.copyOf(shares);
    }
}
