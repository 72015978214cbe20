package io.kvmanager.testing;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.util.SplittableRandom;

/** Queries, keys and values of one layer, of a kind that is hard on error bounds; all from one seed. */
final class RandomHeads {
    /** What is hard about them. */
    enum Kind {
        /** Nothing. */
        USUAL,
        /** Keys so short that all weights are nearly equal. */
        UNIFORM,
        /** Keys so long that one takes all the weight. */
        DOMINANT,
        /** Few different values, so that most of a block's rows are equal. */
        DUPLICATED,
        /** Values about a far point, so that they hardly cancel. */
        FAR,
        /** Long values, some of them ten times as long. */
        LARGE,
        /** Values of alternating sign, so that the output nearly vanishes. */
        CANCELLING
    }

    final CacheGeometry geometry;
    final Kind kind;
    final float[] k;
    final float[] v;
    private final SplittableRandom random;
    private final float[] center;

    RandomHeads(CacheGeometry geometry, Kind kind, int tokens, SplittableRandom random) {
        this.geometry = geometry;
        this.kind = kind;
        this.random = random;
        int row = geometry.keyValueRowElements();
        center = gaussian(row, kind == Kind.FAR ? 5 : 0);
        k = new float[tokens * row];
        v = new float[tokens * row];
        double keyLength = kind == Kind.UNIFORM ? .01 : kind == Kind.DOMINANT ? 6 : 1;
        for (int token = 0; token < tokens; token++) {
            put(k, token, gaussian(row, keyLength));
            put(v, token, value(token, row));
        }
    }

    private float[] value(int token, int row) {
        if (kind == Kind.DUPLICATED && token > 2 && random.nextInt(8) > 0) {
            float[] same = new float[row];
            System.arraycopy(v, random.nextInt(3) * row, same, 0, row);
            return same;
        }
        double length = kind == Kind.LARGE ? (random.nextInt(10) == 0 ? 3000 : 300) : 1;
        float[] value = gaussian(row, length);
        for (int i = 0; i < row; i++) {
            value[i] += center[i];
            value[i] = kind == Kind.CANCELLING ? (float) ((token % 2 * 2 - 1) * (3 + .01 * value[i])) : value[i];
        }
        return value;
    }

    private void put(float[] rows, int token, float[] row) {
        ElementType type = geometry.elementType();
        for (int i = 0; i < row.length; i++) {
            float element = row[i];
            rows[token * row.length + i] = type == ElementType.F32 ? element : type.decode(type.encode(element));
        }
    }

    float[] queries(int rows) {
        return gaussian(rows * geometry.queryRowElements(), 1 + random.nextDouble());
    }

    private float[] gaussian(int elements, double scale) {
        float[] row = new float[elements];
        for (int i = 0; i < elements && scale > 0; i++) {
            row[i] = (float) (random.nextGaussian() * scale);
        }
        return row;
    }

    /** Largest norm of a value of one KV head. */
    double longestValue(int kvHead, int tokens) {
        double longest = 0;
        int headSize = geometry.headSize();
        for (int token = 0; token < tokens; token++) {
            double sum = 0;
            for (int e = 0; e < headSize; e++) {
                double element = v[token * geometry.keyValueRowElements() + kvHead * headSize + e];
                sum += element * element;
            }
            longest = Math.max(longest, sum);
        }
        return Math.sqrt(longest);
    }
}
