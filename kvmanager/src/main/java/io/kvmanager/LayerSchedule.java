package io.kvmanager;

import java.util.List;

/**
 * How the retention ratio falls with depth: {@code ratio(l, L)} is the share of the context that stays alive behind
 * layer {@code l} of {@code L}, of what is still alive there (lengths are a running product).
 */
public sealed interface LayerSchedule {

    /** Share of the surviving context that survives layer {@code layer}, 0..1. */
    double ratio(int layer, int layers);

    /** {@code (1-d)(cos(pi l/L)+1)/2 + d}: the schedule of PyramidInfer's released code. */
    record Cosine(double d) implements LayerSchedule {
        public Cosine {
            requireShare("cosine d", d);
        }

        @Override
        public double ratio(int layer, int layers) {
            return (1 - d) * (Math.cos(Math.PI * layer / layers) + 1) / 2 + d;
        }
    }

    /** {@code d^(l/(L-1))}: falls by the same factor from layer to layer, from 1 to d. */
    record Geometric(double d) implements LayerSchedule {
        public Geometric {
            requireShare("geometric d", d);
        }

        @Override
        public double ratio(int layer, int layers) {
            return layers == 1 ? 1 : Math.pow(d, (double) layer / (layers - 1));
        }
    }

    /** From 1 in the first layer straight to d in the last. */
    record Linear(double d) implements LayerSchedule {
        public Linear {
            requireShare("linear d", d);
        }

        @Override
        public double ratio(int layer, int layers) {
            return layers == 1 ? 1 : 1 + (d - 1) * layer / (layers - 1);
        }
    }

    /** The same ratio behind every layer. */
    record Constant(double d) implements LayerSchedule {
        public Constant {
            requireShare("constant d", d);
        }

        @Override
        public double ratio(int layer, int layers) {
            return d;
        }
    }

    /** One ratio per layer, measured or chosen. */
    record Explicit(List<Double> ratios) implements LayerSchedule {
        public Explicit {
            ratios = List.copyOf(ratios);
            ratios.forEach(ratio -> requireShare("ratio", ratio));
        }

        @Override
        public double ratio(int layer, int layers) {
            if (ratios.size() != layers) {
                throw new IllegalArgumentException(
                        "the schedule lists " + ratios.size() + " layers, the model has " + layers);
            }
            return ratios.get(layer);
        }
    }

    private static void requireShare(String name, double value) {
        if (!(value > 0 && value <= 1)) {
            throw new IllegalArgumentException(name + " " + value + " is not accepted; accepted: above 0, at most 1");
        }
    }
}
