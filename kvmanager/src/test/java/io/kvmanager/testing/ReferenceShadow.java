package io.kvmanager.testing;

import io.kvmanager.ElementType;

/** A shadow as its definition says, in double precision: per channel, the nearest of evenly spaced values. */
final class ReferenceShadow {
    private ReferenceShadow() {}

    /**
     * What stands in for one KV head's rows of a block.
     *
     * @param rows {@code [slots][headSize]} as stored
     * @param type how lows and scales are stored
     * @param bits of a code
     */
    static double[][] of(double[][] rows, ElementType type, int bits) {
        double[][] shadow = new double[rows.length][rows[0].length];
        int largestCode = (1 << bits) - 1;
        for (int channel = 0; channel < rows[0].length; channel++) {
            double low = Double.POSITIVE_INFINITY;
            double high = Double.NEGATIVE_INFINITY;
            for (double[] row : rows) {
                low = Math.min(low, row[channel]);
                high = Math.max(high, row[channel]);
            }
            double scale = storedUp((high - low) / largestCode, type);
            for (int slot = 0; slot < rows.length; slot++) {
                double code = scale == 0 ? 0 : Math.min(largestCode, Math.rint((rows[slot][channel] - low) / scale));
                shadow[slot][channel] = low + scale * code;
            }
        }
        return shadow;
    }

    /** The smallest storable element that is not below a value. */
    private static double storedUp(double value, ElementType type) {
        float nearest = (float) value;
        return switch (type) {
            case F32 -> nearest < value ? Math.nextUp(nearest) : nearest;
            case BF16 -> {
                int upper = Float.floatToIntBits(nearest) & 0xffff0000;
                float truncated = Float.intBitsToFloat(upper);
                yield truncated < value ? Float.intBitsToFloat(upper + 0x10000) : truncated;
            }
            case F16 -> {
                short bits = Float.floatToFloat16(nearest);
                yield Float.float16ToFloat(bits) < value
                        ? Float.float16ToFloat((short) (bits + 1))
                        : Float.float16ToFloat(bits);
            }
        };
    }
}
