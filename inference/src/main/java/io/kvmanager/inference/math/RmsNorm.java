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

    /** Normalises {@code rows} rows of {@code x} into {@code y}, both {@code [rows][elements]}; may be the same array. */
    public void apply(int rows, float[] x, float[] y) {
        for (int row = 0; row < rows; row++) {
            apply(x, y, row * gain.length, gain, epsilon);
        }
    }

    private static void apply(float[] x, float[] y, int offset, float[] gain, double epsilon) {
        float squares = 0;
        for (int i = 0; i < gain.length; i++) {
            squares += x[offset + i] * x[offset + i];
        }
        float scale = (float) (1 / Math.sqrt(squares / gain.length + epsilon));
        for (int i = 0; i < gain.length; i++) {
            y[offset + i] = x[offset + i] * scale * gain[i];
        }
    }
}
