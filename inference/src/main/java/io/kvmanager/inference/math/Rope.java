package io.kvmanager.inference.math;

/**
 * Rotary position embedding: pair {@code i} of a head is rotated by {@code position * theta^(-2 i / headSize)}.
 *
 * <p>The angles depend on the position alone, so they are computed once per step and used by every head and layer.
 */
public final class Rope {
    private final int headSize;
    private final boolean interleaved;
    private final double[] frequencies;

    /**
     * For heads of {@code headSize} elements.
     *
     * @param interleaved whether elements {@code 2 i} and {@code 2 i + 1} are a pair; else {@code i} and
     *     {@code i + headSize / 2}
     */
    public Rope(int headSize, double theta, boolean interleaved) {
        this.headSize = headSize;
        this.interleaved = interleaved;
        frequencies = new double[headSize / 2];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = Math.pow(theta, -2.0 * i / headSize);
        }
    }

    /** Fills {@code cos} and {@code sin}, both {@code [rows][headSize / 2]}, for positions {@code first} and on. */
    public void angles(int first, int rows, float[] cos, float[] sin) {
        for (int row = 0; row < rows; row++) {
            angle(first + row, row, cos, sin);
        }
    }

    /** Fills row {@code row} of {@code cos} and {@code sin} for one position. */
    public void angle(int position, int row, float[] cos, float[] sin) {
        int at = row * frequencies.length;
        for (double frequency : frequencies) {
            double angle = position * frequency;
            cos[at] = (float) Math.cos(angle);
            sin[at] = (float) Math.sin(angle);
            at++;
        }
    }

    /**
     * Rotates {@code [rows][heads][headSize]} in place.
     *
     * @param angleRows row of the angles that each row uses
     */
    public void rotate(float[] x, int rows, int heads, int[] angleRows, float[] cos, float[] sin) {
        for (int row = 0; row < rows; row++) {
            int angle = angleRows[row] * frequencies.length;
            for (int head = 0; head < heads; head++) {
                int at = (row * heads + head) * headSize;
                if (interleaved) {
                    rotateNeighbours(x, at, cos, sin, angle, frequencies.length);
                } else {
                    rotateHalves(x, at, cos, sin, angle, frequencies.length);
                }
            }
        }
    }

    private static void rotateHalves(float[] x, int at, float[] cos, float[] sin, int angle, int pairs) {
        for (int i = 0; i < pairs; i++) {
            float a = x[at + i];
            float b = x[at + pairs + i];
            x[at + i] = a * cos[angle + i] - b * sin[angle + i];
            x[at + pairs + i] = b * cos[angle + i] + a * sin[angle + i];
        }
    }

    private static void rotateNeighbours(float[] x, int at, float[] cos, float[] sin, int angle, int pairs) {
        for (int i = 0; i < pairs; i++) {
            float a = x[at + 2 * i];
            float b = x[at + 2 * i + 1];
            x[at + 2 * i] = a * cos[angle + i] - b * sin[angle + i];
            x[at + 2 * i + 1] = b * cos[angle + i] + a * sin[angle + i];
        }
    }
}
