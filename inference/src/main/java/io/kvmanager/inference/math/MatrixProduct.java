package io.kvmanager.inference.math;

import io.kvmanager.spi.WorkerGroup;
import org.jspecify.annotations.Nullable;

/**
 * {@code out[rows][outputs] = x[rows][inputs] * weights[outputs][inputs]^T} on every core. Allocates nothing, keeps
 * what it works on in fields, and so belongs to one thread at a time.
 *
 * <p>A product is cut into blocks of rows and, where those are too few to share, ranges of panels; a product that takes
 * less than handing it out would stays on the caller's thread.
 */
public final class MatrixProduct {
    private static final int BLOCK_ROWS = 64;
    private static final int PARTS_PER_THREAD = 4;
    private static final long FEWEST_SHARED_MULTIPLIES = 1 << 16;

    private final Kernels kernels;
    private final WorkerGroup workers;
    private final WorkerGroup.Part productPart = this::productPart;
    private final WorkerGroup.Part gatePart = this::gatePart;

    private @Nullable Matrix weights;
    private float[] x = {};
    private float[] out = {};
    private int rows;
    private int panelRanges;
    private int gateElements;
    private int gateParts;

    /** With the best kernels that run here and the shared workers. */
    public MatrixProduct() {
        this(Kernels.chosen(), WorkerGroup.shared());
    }

    MatrixProduct(Kernels kernels, WorkerGroup workers) {
        this.kernels = kernels;
        this.workers = workers;
    }

    /** The kernels in use, for people. */
    public String description() {
        return kernels.name();
    }

    /**
     * Multiplies.
     *
     * @param weights {@code [outputs][inputs]}
     * @param x {@code [rows][inputs]}
     * @param rows rows of {@code x} to multiply
     * @param out {@code [rows][outputs]}, written; not {@code x}
     */
    public void multiply(Matrix weights, float[] x, int rows, float[] out) {
        if ((long) rows * weights.inputs() > x.length || (long) rows * weights.outputs() > out.length) {
            throw new IllegalArgumentException(
                    rows + " rows of " + weights + " do not fit arrays of " + x.length + " and " + out.length);
        }
        if ((long) rows * weights.inputs() * weights.outputs() < FEWEST_SHARED_MULTIPLIES) {
            kernels.multiply(weights, 0, weights.panelCount(), x, 0, rows, out);
            return;
        }
        int rowBlocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
        this.weights = weights;
        this.x = x;
        this.rows = rows;
        this.out = out;
        panelRanges = Math.min(weights.panelCount(), Math.max(1, PARTS_PER_THREAD * workers.threads() / rowBlocks));
        workers.run(rowBlocks * panelRanges, productPart);
    }

    private void productPart(int part) {
        Matrix matrix = weights;
        if (matrix == null) {
            throw new IllegalStateException("no product");
        }
        int fromRow = part / panelRanges * BLOCK_ROWS;
        int range = part % panelRanges;
        int panels = matrix.panelCount();
        kernels.multiply(
                matrix,
                range * panels / panelRanges,
                (range + 1) * panels / panelRanges,
                x,
                fromRow,
                Math.min(rows, fromRow + BLOCK_ROWS),
                out);
    }

    /**
     * SwiGLU's gate: {@code gate = gate * sigmoid(gate) * up}.
     *
     * @param gate {@code [elements]}, overwritten
     * @param up {@code [elements]}
     */
    public void gate(float[] gate, float[] up, int elements) {
        gateParts = elements < FEWEST_SHARED_MULTIPLIES ? 1 : PARTS_PER_THREAD * workers.threads();
        gateElements = elements;
        x = up;
        out = gate;
        workers.run(gateParts, gatePart);
    }

    private void gatePart(int part) {
        int from = (int) ((long) gateElements * part / gateParts);
        int to = (int) ((long) gateElements * (part + 1) / gateParts);
        kernels.gate(out, x, from, to);
    }
}
