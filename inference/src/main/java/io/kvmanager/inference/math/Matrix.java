package io.kvmanager.inference.math;

/**
 * A weight matrix {@code [outputs][inputs]}, stored for products and never changed.
 *
 * <pre>
 * panels      [panel][input][PANEL]     PANEL outputs side by side; the last panel is padded with zeros
 * element     panels[(output / PANEL * inputs + input) * PANEL + output % PANEL]
 * </pre>
 *
 * <p>One step of a product reads PANEL neighbouring weights and one input, which is broadcast: no sum over lanes, for
 * one row as for many.
 */
public final class Matrix {
    /** Outputs side by side: two vectors of 512 bits. */
    static final int PANEL = 32;

    private final int outputs;
    private final int inputs;
    private final float[] panels;

    /** Gives the weights of one output. */
    @FunctionalInterface
    public interface Rows {
        /** Writes the {@code [inputs]} weights of {@code output} into {@code row}. */
        void read(int output, float[] row);
    }

    /**
     * Lays out a matrix.
     *
     * @throws IllegalArgumentException if a side is not positive or the matrix exceeds what an array holds
     */
    public Matrix(int outputs, int inputs, Rows rows) {
        long elements = (outputs + (long) PANEL - 1) / PANEL * PANEL * inputs;
        if (outputs <= 0 || inputs <= 0 || elements > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("a matrix of " + outputs + " x " + inputs
                    + " is not accepted; accepted: sides of 1 or more and at most 2^31 elements");
        }
        this.outputs = outputs;
        this.inputs = inputs;
        panels = new float[(int) elements];
        float[] row = new float[inputs];
        for (int output = 0; output < outputs; output++) {
            rows.read(output, row);
            int at = panelOffset(output / PANEL) + output % PANEL;
            for (int input = 0; input < inputs; input++, at += PANEL) {
                panels[at] = row[input];
            }
        }
    }

    /** Elements of a result row. */
    public int outputs() {
        return outputs;
    }

    /** Elements of an input row. */
    public int inputs() {
        return inputs;
    }

    /** Copies the weights of {@code output} to {@code into}, from {@code at} on: an embedding look-up. */
    public void copyRow(int output, float[] into, int at) {
        int from = panelOffset(output / PANEL) + output % PANEL;
        for (int input = 0; input < inputs; input++, from += PANEL) {
            into[at + input] = panels[from];
        }
    }

    int panelCount() {
        return (outputs + PANEL - 1) / PANEL;
    }

    int panelOffset(int panel) {
        return panel * inputs * PANEL;
    }

    float[] panels() {
        return panels;
    }

    @Override
    public String toString() {
        return "Matrix[" + outputs + "][" + inputs + "]";
    }
}
