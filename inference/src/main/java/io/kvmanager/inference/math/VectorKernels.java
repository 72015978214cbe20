package io.kvmanager.inference.math;

import static io.kvmanager.inference.math.Matrix.PANEL;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vector API loops. The micro-kernel keeps a tile of 4 rows x 2 vectors of sums in registers and walks the inputs: two
 * loads of weights and four broadcast inputs per eight multiply-adds. A panel is one such tile wide on 512-bit
 * machines, two on 256-bit ones, four on 128-bit ones. The panel stays in the first-level cache while the rows pass by.
 *
 * <p>The only class that mentions a Vector type; touch it only where the module is present.
 */
final class VectorKernels implements Kernels {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED.length() > PANEL / 2
            ? FloatVector.SPECIES_512
            : FloatVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();
    private static final int TILE = 2 * LANES;

    private static final float SMALLEST_EXPONENT = -87.3f;
    private static final float LARGEST_EXPONENT = 88.3f;
    private static final float LOG2_E = 0x1.715476p0f;
    private static final float LN2_HIGH = 0x1.62e4p-1f;
    private static final float LN2_LOW = 0x1.7f7d1cp-20f;
    /** Adding it rounds to an integer, which then stands in the low bits. */
    private static final float ROUNDER = 0x1.8p23f;

    private static final int EXPONENT_SHIFT = 23;
    private static final int ONE_BITS = 0x3f800000;

    private VectorKernels() {}

    static Kernels open() {
        return new VectorKernels();
    }

    @Override
    public String name() {
        return "Vector API, " + SPECIES.vectorBitSize() + " bits";
    }

    @Override
    public void multiply(Matrix weights, int fromPanel, int toPanel, float[] x, int fromRow, int toRow, float[] out) {
        int inputs = weights.inputs();
        int outputs = weights.outputs();
        float[] w = weights.panels();
        for (int panel = fromPanel; panel < toPanel; panel++) {
            for (int column = 0; column < PANEL; column += TILE) {
                int output = panel * PANEL + column;
                int width = Math.min(TILE, outputs - output);
                if (width <= 0) {
                    break;
                }
                int wAt = weights.panelOffset(panel) + column;
                int row = fromRow;
                for (; row + 4 <= toRow; row += 4) {
                    fourRows(w, wAt, x, row * inputs, inputs, out, row * outputs + output, outputs, width);
                }
                for (; row < toRow; row++) {
                    oneRow(w, wAt, x, row * inputs, inputs, out, row * outputs + output, width);
                }
            }
        }
    }

    private static void fourRows(
            float[] w, int wAt, float[] x, int xAt, int inputs, float[] out, int outAt, int outputs, int width) {
        FloatVector a0 = FloatVector.zero(SPECIES);
        FloatVector a1 = a0;
        FloatVector b0 = a0;
        FloatVector b1 = a0;
        FloatVector c0 = a0;
        FloatVector c1 = a0;
        FloatVector d0 = a0;
        FloatVector d1 = a0;
        for (int i = 0; i < inputs; i++) {
            FloatVector w0 = FloatVector.fromArray(SPECIES, w, wAt + i * PANEL);
            FloatVector w1 = FloatVector.fromArray(SPECIES, w, wAt + i * PANEL + LANES);
            FloatVector a = FloatVector.broadcast(SPECIES, x[xAt + i]);
            FloatVector b = FloatVector.broadcast(SPECIES, x[xAt + inputs + i]);
            FloatVector c = FloatVector.broadcast(SPECIES, x[xAt + 2 * inputs + i]);
            FloatVector d = FloatVector.broadcast(SPECIES, x[xAt + 3 * inputs + i]);
            a0 = a.fma(w0, a0);
            a1 = a.fma(w1, a1);
            b0 = b.fma(w0, b0);
            b1 = b.fma(w1, b1);
            c0 = c.fma(w0, c0);
            c1 = c.fma(w1, c1);
            d0 = d.fma(w0, d0);
            d1 = d.fma(w1, d1);
        }
        store(a0, a1, out, outAt, width);
        store(b0, b1, out, outAt + outputs, width);
        store(c0, c1, out, outAt + 2 * outputs, width);
        store(d0, d1, out, outAt + 3 * outputs, width);
    }

    /** Four inputs at a time, so that eight sums hide each other's latency. */
    private static void oneRow(float[] w, int wAt, float[] x, int xAt, int inputs, float[] out, int outAt, int width) {
        FloatVector a0 = FloatVector.zero(SPECIES);
        FloatVector a1 = a0;
        FloatVector b0 = a0;
        FloatVector b1 = a0;
        FloatVector c0 = a0;
        FloatVector c1 = a0;
        FloatVector d0 = a0;
        FloatVector d1 = a0;
        int i = 0;
        int at = wAt;
        for (; i + 4 <= inputs; i += 4, at += 4 * PANEL) {
            FloatVector a = FloatVector.broadcast(SPECIES, x[xAt + i]);
            FloatVector b = FloatVector.broadcast(SPECIES, x[xAt + i + 1]);
            FloatVector c = FloatVector.broadcast(SPECIES, x[xAt + i + 2]);
            FloatVector d = FloatVector.broadcast(SPECIES, x[xAt + i + 3]);
            a0 = a.fma(FloatVector.fromArray(SPECIES, w, at), a0);
            a1 = a.fma(FloatVector.fromArray(SPECIES, w, at + LANES), a1);
            b0 = b.fma(FloatVector.fromArray(SPECIES, w, at + PANEL), b0);
            b1 = b.fma(FloatVector.fromArray(SPECIES, w, at + PANEL + LANES), b1);
            c0 = c.fma(FloatVector.fromArray(SPECIES, w, at + 2 * PANEL), c0);
            c1 = c.fma(FloatVector.fromArray(SPECIES, w, at + 2 * PANEL + LANES), c1);
            d0 = d.fma(FloatVector.fromArray(SPECIES, w, at + 3 * PANEL), d0);
            d1 = d.fma(FloatVector.fromArray(SPECIES, w, at + 3 * PANEL + LANES), d1);
        }
        for (; i < inputs; i++, at += PANEL) {
            FloatVector a = FloatVector.broadcast(SPECIES, x[xAt + i]);
            a0 = a.fma(FloatVector.fromArray(SPECIES, w, at), a0);
            a1 = a.fma(FloatVector.fromArray(SPECIES, w, at + LANES), a1);
        }
        store(a0.add(b0).add(c0.add(d0)), a1.add(b1).add(c1.add(d1)), out, outAt, width);
    }

    private static void store(FloatVector low, FloatVector high, float[] out, int at, int width) {
        if (width == TILE) {
            low.intoArray(out, at);
            high.intoArray(out, at + LANES);
        } else {
            low.intoArray(out, at, SPECIES.indexInRange(0, width));
            if (width > LANES) {
                high.intoArray(out, at + LANES, SPECIES.indexInRange(LANES, width));
            }
        }
    }

    @Override
    public void gate(float[] gate, float[] up, int from, int to) {
        int i = from;
        for (; i + LANES <= to; i += LANES) {
            FloatVector g = FloatVector.fromArray(SPECIES, gate, i);
            FloatVector growth = exp(g.neg());
            g.div(growth.add(1)).mul(FloatVector.fromArray(SPECIES, up, i)).intoArray(gate, i);
        }
        for (; i < to; i++) {
            gate[i] = gate[i] / (1 + (float) Math.exp(-gate[i])) * up[i];
        }
    }

    /**
     * The exponential, relative error about 1e-7, finite for any x: {@code x = n ln 2 + r}, the Taylor polynomial of
     * degree 7 of r, and n put into the exponent bits. {@link VectorOperators#EXP} is not used: compiled and interpreted
     * code round it differently, so that results would depend on when the compiler had its turn.
     */
    private static FloatVector exp(FloatVector x) {
        FloatVector clamped = x.max(SMALLEST_EXPONENT).min(LARGEST_EXPONENT);
        FloatVector shifted =
                clamped.fma(FloatVector.broadcast(SPECIES, LOG2_E), FloatVector.broadcast(SPECIES, ROUNDER));
        FloatVector n = shifted.sub(ROUNDER);
        FloatVector r = n.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), clamped);
        r = n.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), r);
        FloatVector p = r.fma(FloatVector.broadcast(SPECIES, 1f / 5040), FloatVector.broadcast(SPECIES, 1f / 720));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 1f / 120));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 1f / 24));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 1f / 6));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.5f));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 1f));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 1f));
        FloatVector power = shifted.reinterpretAsInts()
                .lanewise(VectorOperators.LSHL, EXPONENT_SHIFT)
                .add(ONE_BITS)
                .reinterpretAsFloats();
        return p.mul(power);
    }
}
