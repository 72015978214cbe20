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
        for (int panel = fromPanel; panel < toPanel; panel++) {
            int width = Math.min(PANEL, weights.outputs() - panel * PANEL);
            for (int row = fromRow; row < toRow; row++) {
                int xAt = row * weights.inputs();
                int outAt = row * weights.outputs() + panel * PANEL;
                panel(weights.panels(), weights.panelOffset(panel), x, xAt, weights.inputs(), out, outAt, width);
            }
        }
    }

    private static void panel(float[] w, int wAt, float[] x, int xAt, int inputs, float[] out, int outAt, int width) {
        Arrays.fill(out, outAt, outAt + width, 0);
        for (int input = 0; input < inputs; input++) {
            float element = x[xAt + input];
            int from = wAt + input * PANEL;
            for (int i = 0; i < width; i++) {
                out[outAt + i] += element * w[from + i];
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
