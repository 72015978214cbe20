package io.kvmanager.testing;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.ValueSelection;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a cache must compute, in double precision and without any of its data structures: K and V by position in maps,
 * softmax written out, choices by sorting. Element rounding is the storage's own; nothing else is.
 */
public final class ReferenceCache {
    private final CacheGeometry geometry;
    private final List<Map<Integer, double[]>> keys = new ArrayList<>();
    private final List<Map<Integer, double[]>> values = new ArrayList<>();

    public ReferenceCache(CacheGeometry geometry) {
        this.geometry = geometry;
        for (int layer = 0; layer < geometry.layers(); layer++) {
            keys.add(new HashMap<>());
            values.add(new HashMap<>());
        }
    }

    /** Stores one token's K and V, {@code [kvHeads][headSize]} each. */
    public void put(int layer, int position, float[] k, float[] v) {
        keys.get(layer).put(position, stored(k));
        values.get(layer).put(position, stored(v));
    }

    private double[] stored(float[] row) {
        double[] rounded = new double[row.length];
        for (int i = 0; i < row.length; i++) {
            ElementType type = geometry.elementType();
            rounded[i] = type == ElementType.F32 ? row[i] : type.decode(type.encode(row[i]));
        }
        return rounded;
    }

    /** Softmax weights of one query head over {@code positions}. */
    public double[] weights(int layer, float[] q, int queryHead, int[] positions) {
        int headSize = geometry.headSize();
        int kvHead = queryHead / geometry.groupSize();
        double[] weights = new double[positions.length];
        double largest = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < positions.length; i++) {
            double[] key = keys.get(layer).get(positions[i]);
            double dot = 0;
            for (int d = 0; d < headSize; d++) {
                dot += (double) q[queryHead * headSize + d] * key[kvHead * headSize + d];
            }
            weights[i] = dot / Math.sqrt(headSize);
            largest = Math.max(largest, weights[i]);
        }
        double sum = 0;
        for (int i = 0; i < weights.length; i++) {
            weights[i] = Math.exp(weights[i] - largest);
            sum += weights[i];
        }
        for (int i = 0; i < weights.length; i++) {
            weights[i] /= sum;
        }
        return weights;
    }

    /** Attention output over {@code positions}, {@code [queryHeads][headSize]}. */
    public double[] attend(int layer, float[] q, int[] positions) {
        double[] out = new double[geometry.queryRowElements()];
        for (int head = 0; head < geometry.queryHeads(); head++) {
            double[] weights = weights(layer, q, head, positions);
            for (int i = 0; i < positions.length; i++) {
                add(out, head, weights[i], values.get(layer).get(positions[i]));
            }
        }
        return out;
    }

    private void add(double[] out, int queryHead, double weight, double[] value) {
        int headSize = geometry.headSize();
        int kvHead = queryHead / geometry.groupSize();
        for (int d = 0; d < headSize; d++) {
            out[queryHead * headSize + d] += weight * value[kvHead * headSize + d];
        }
    }

    /**
     * Attention output when only some value tiles are read.
     *
     * @param positions slots in logical order
     * @param residentFrom first resident logical block behind the sinks
     */
    public double[] attendOffloaded(
            int layer, float[] q, int[] positions, int residentFrom, PlacementPolicy.Offloaded placement) {
        int blockTokens = geometry.blockTokens();
        int headSize = geometry.headSize();
        double[] out = new double[geometry.queryRowElements()];
        for (int kvHead = 0; kvHead < geometry.kvHeads(); kvHead++) {
            int firstHead = kvHead * geometry.groupSize();
            double[][] weights = new double[geometry.groupSize()][];
            for (int g = 0; g < weights.length; g++) {
                weights[g] = weights(layer, q, firstHead + g, positions);
            }
            Set<Integer> chosen = chosen(weights, placement, residentFrom);
            for (int g = 0; g < weights.length; g++) {
                int head = firstHead + g;
                double missed = 0;
                for (int i = 0; i < positions.length; i++) {
                    int slot = i;
                    int block = i / blockTokens;
                    boolean read = block < placement.sinkBlocks() || block >= residentFrom || chosen.contains(block);
                    if (read) {
                        add(out, head, weights[g][i], values.get(layer).get(positions[i]));
                    } else {
                        missed += weights[g][i];
                        standIn(layer, positions, i, placement.compensation())
                                .ifPresent(row -> add(out, head, weights[head % weights.length][slot], row));
                    }
                }
                if (placement.compensation() == Compensation.RENORMALISE) {
                    for (int d = 0; d < headSize; d++) {
                        out[head * headSize + d] /= Math.max(1e-6, 1 - missed);
                    }
                }
            }
        }
        return out;
    }

    /** What stands in for the value in a slot that is not read, {@code [kvHeads][headSize]}, if anything does. */
    private Optional<double[]> standIn(int layer, int[] positions, int slot, Compensation compensation) {
        int block = slot / geometry.blockTokens();
        return switch (compensation) {
            case NONE, RENORMALISE -> Optional.empty();
            case MEAN -> Optional.of(mean(layer, positions, block));
            case INT4 -> Optional.of(shadow(layer, positions, block, 4)[slot % geometry.blockTokens()]);
            case INT8 -> Optional.of(shadow(layer, positions, block, 8)[slot % geometry.blockTokens()]);
        };
    }

    private double[][] shadow(int layer, int[] positions, int block, int bits) {
        double[][] rows = new double[geometry.blockTokens()][];
        for (int slot = 0; slot < rows.length; slot++) {
            rows[slot] = values.get(layer).get(positions[block * rows.length + slot]);
        }
        // Channels of different KV heads are different channels.
        return ReferenceShadow.of(rows, geometry.elementType(), bits);
    }

    private double[] mean(int layer, int[] positions, int block) {
        int blockTokens = geometry.blockTokens();
        float[] mean = new float[geometry.keyValueRowElements()];
        for (int d = 0; d < mean.length; d++) {
            double sum = 0;
            for (int slot = 0; slot < blockTokens; slot++) {
                sum += values.get(layer).get(positions[block * blockTokens + slot])[d];
            }
            mean[d] = (float) (sum / blockTokens);
        }
        return stored(mean);
    }

    private Set<Integer> chosen(double[][] weights, PlacementPolicy.Offloaded placement, int residentFrom) {
        int blockTokens = geometry.blockTokens();
        double[] score = new double[residentFrom];
        double offloaded = 0;
        for (double[] head : weights) {
            for (int i = placement.sinkBlocks() * blockTokens; i < residentFrom * blockTokens; i++) {
                score[i / blockTokens] += head[i];
                offloaded += head[i];
            }
        }
        List<Integer> order = new ArrayList<>();
        for (int block = placement.sinkBlocks(); block < residentFrom; block++) {
            order.add(block);
        }
        order.sort(Comparator.comparingDouble((Integer block) -> -score[block]).thenComparing(b -> b));
        Set<Integer> chosen = new TreeSet<>();
        double covered = weights.length - offloaded;
        for (int block : order) {
            boolean enough = placement.selection() instanceof ValueSelection.Nucleus nucleus
                    && covered / weights.length >= nucleus.mass();
            if (chosen.size() >= placement.selection().maxTiles() || enough) {
                break;
            }
            chosen.add(block);
            covered += score[block];
        }
        return chosen;
    }
}
