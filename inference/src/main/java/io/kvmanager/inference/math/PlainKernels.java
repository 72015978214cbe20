package io.kvmanager.inference.math;

import static io.kvmanager.inference.math.Matrix.PANEL;

import java.util.Arrays;

/** Loops that a compiler may vectorise, one row and one panel at a time. */
final class PlainKernels implements Kernels {

    @Override
    public String name() {
        return "plain loops";
    }

    @Override
    public void multiply(Matrix weights, int fromPanel, int toPanel, float[] x, int fromRow, int toRow, float[] out) {
        float[] sums = new float[PANEL];
        for (int panel = fromPanel; panel < toPanel; panel++) {
            int width = Math.min(PANEL, weights.outputs() - panel * PANEL);
            for (int row = fromRow; row < toRow; row++) {
                panel(weights.panels(), weights.panelOffset(panel), x, row * weights.inputs(), weights.inputs(), sums);
                System.arraycopy(sums, 0, out, row * weights.outputs() + panel * PANEL, width);
            }
        }
    }

    private static void panel(float[] w, int wAt, float[] x, int xAt, int inputs, float[] sums) {
        Arrays.fill(sums, 0);
        for (int input = 0; input < inputs; input++) {
            float element = x[xAt + input];
            int from = wAt + input * PANEL;
            for (int i = 0; i < PANEL; i++) {
                sums[i] += element * w[from + i];
            }
        }
    }

    @Override
    public void gate(float[] gate, float[] up, int from, int to) {
        for (int i = from; i < to; i++) {
            gate[i] = gate[i] / (1 + (float) Math.exp(-gate[i])) * up[i];
        }
    }
}
