package io.kvmanager.inference.math;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The loops that take the time. The plain version is the truth; each other one is compared with it. */
interface Kernels {

    /** For the log. */
    String name();

    /**
     * Products of a block of rows with a block of panels: {@code out[row][output] = sum x[row][input] *
     * weights[output][input]}.
     *
     * @param weights {@code [outputs][inputs]}
     * @param fromPanel first panel
     * @param toPanel behind the last panel
     * @param x {@code [rows][inputs]}
     * @param fromRow first row
     * @param toRow behind the last row
     * @param out {@code [rows][outputs]}
     */
    void multiply(Matrix weights, int fromPanel, int toPanel, float[] x, int fromRow, int toRow, float[] out);

    /** SwiGLU's gate on elements {@code from..to-1}: {@code gate = gate * sigmoid(gate) * up}. */
    void gate(float[] gate, float[] up, int from, int to);

    /** The best that runs here. */
    static Kernels chosen() {
        return Choice.KERNELS;
    }

    /** Chosen once, and said once. */
    final class Choice {
        private static final Logger LOG = LoggerFactory.getLogger(Kernels.class);
        private static final Kernels KERNELS = choose();

        private Choice() {}

        private static Kernels choose() {
            if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
                LOG.info("matrix products: plain loops; not chosen: vector (no module jdk.incubator.vector; start java "
                        + "with --add-modules jdk.incubator.vector)");
                return new PlainKernels();
            }
            Kernels vector = VectorKernels.open();
            LOG.info("matrix products: {}", vector.name());
            return vector;
        }
    }
}
