package io.kvmanager.inference.math;

/** Root-mean-square normalisation with a gain: {@code y = x / sqrt(mean(x^2) + epsilon) * gain}. */
public final class RmsNorm {
    private final float[] gain;
    private final double epsilon;

    /**
     * A norm that keeps {@code gain}.
     *
     * @param gain {@code [elements]}
     * @param epsilon added to the mean square
     */
    public RmsNorm(float[] gain, double epsilon) {
        this.gain = gain;
        this.epsilon = epsilon;
    }

    /** Elements of a row. */
    public int elements() {
        return gain.length;
    }

    /** Normalises {@code rows} rows of {@code x} into {@code y}, both {@code [rows][elements]}; may be one array. */
    public void apply(int rows, float[] x, float[] y) {
        for (int row = 0; row < rows; row++) {
            apply(x, y, row * gain.length, gain, epsilon);
        }
    }

    private static void apply(float[] x, float[] y, int offset, float[] gain, double epsilon) {
        // Four sums, so that additions do not wait for each other.
        float a = 0;
        float b = 0;
        float c = 0;
        float d = 0;
        int at = 0;
        for (; at + 4 <= gain.length; at += 4) {
            a += x[offset + at] * x[offset + at];
            b += x[offset + at + 1] * x[offset + at + 1];
            c += x[offset + at + 2] * x[offset + at + 2];
            d += x[offset + at + 3] * x[offset + at + 3];
        }
        for (; at < gain.length; at++) {
            a += x[offset + at] * x[offset + at];
        }
        float scale = (float) (1 / Math.sqrt((a + b + c + d) / gain.length + epsilon));
        for (int i = 0; i < gain.length; i++) {
            y[offset + i] = x[offset + i] * scale * gain[i];
        }
    }
}
