package io.kvmanager.inference.math;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.spi.WorkerGroup;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Plain and vector kernels against double-precision loops, at sizes that fit nothing. */
final class MatrixProductTest {
    private static final int[] SIDES = {1, 2, 3, 31, 32, 33, 64, 100, 172, 193};
    private static final int[] ROWS = {1, 2, 3, 4, 5, 63, 64, 65, 131};
    private static final float UNTOUCHED = 77;

    static Stream<Kernels> kernels() {
        return Stream.of(new PlainKernels(), VectorKernels.open());
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void productsAgreeWithDoublePrecision(Kernels kernels) {
        MatrixProduct product = new MatrixProduct(kernels, WorkerGroup.shared());
        Random random = new Random(3);
        for (int outputs : SIDES) {
            for (int inputs : SIDES) {
                for (int rows : ROWS) {
                    check(product, random, outputs, inputs, rows);
                }
            }
        }
        check(product, random, 4096, 192, 1);
        check(product, random, 192, 512, 900);
    }

    private static void check(MatrixProduct product, Random random, int outputs, int inputs, int rows) {
        float[] w = gaussian(random, outputs * inputs);
        float[] x = gaussian(random, rows * inputs);
        Matrix weights =
                new Matrix(outputs, inputs, (output, row) -> System.arraycopy(w, output * inputs, row, 0, inputs));
        float[] out = new float[rows * outputs + 1];
        Arrays.fill(out, UNTOUCHED);
        product.multiply(weights, x, rows, out);
        String shape = rows + " rows, " + outputs + " x " + inputs;
        double tolerance = 2e-6 * Math.sqrt(inputs) * Math.log(inputs + 2);
        for (int row = 0; row < rows; row++) {
            for (int output = 0; output < outputs; output++) {
                double sum = 0;
                for (int i = 0; i < inputs; i++) {
                    sum += (double) w[output * inputs + i] * x[row * inputs + i];
                }
                double found = out[row * outputs + output];
                if (Math.abs(sum - found) > tolerance) {
                    assertEquals(sum, found, tolerance, shape);
                }
            }
        }
        assertEquals(UNTOUCHED, out[rows * outputs], shape);
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void gateAgreesWithDoublePrecision(Kernels kernels) {
        MatrixProduct product = new MatrixProduct(kernels, WorkerGroup.shared());
        for (int elements : List.of(1, 15, 16, 17, 100, 40_001)) {
            float[] gate = gaussian(new Random(elements), elements + 1);
            float[] up = gaussian(new Random(-elements), elements + 1);
            gate[0] = -200;
            gate[elements / 2] = 150;
            float[] found = gate.clone();
            product.gate(found, up, elements);
            for (int i = 0; i < elements; i++) {
                double expected = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
                assertEquals(expected, found[i], 1e-6 * (1 + Math.abs(expected)), elements + " elements, " + i);
            }
            assertEquals(gate[elements], found[elements]);
        }
    }

    @Test
    void rowsComeBackAsTheyWentIn() {
        Matrix matrix = new Matrix(70, 5, (output, row) -> {
            for (int i = 0; i < row.length; i++) {
                row[i] = 10 * output + i;
            }
        });
        float[] row = new float[7];
        matrix.copyRow(69, row, 1);
        assertArrayEquals(new float[] {0, 690, 691, 692, 693, 694, 0}, row);
    }

    @Test
    void arraysThatAreTooShortAreRefused() {
        Matrix matrix = new Matrix(3, 4, (output, row) -> {});
        MatrixProduct product = new MatrixProduct();
        assertThrows(IllegalArgumentException.class, () -> product.multiply(matrix, new float[7], 2, new float[6]));
        assertThrows(IllegalArgumentException.class, () -> product.multiply(matrix, new float[8], 2, new float[5]));
        assertThrows(IllegalArgumentException.class, () -> new Matrix(1 << 20, 1 << 12, (output, row) -> {}));
    }

    @Test
    void rmsNormKeepsTheDirection() {
        float[] x = {3, -4, 0, 0, 0, 9, 9, 9, 9, 9};
        new RmsNorm(new float[] {1, 1, 2, 2, 2}, 0).apply(2, x, x);
        float scale = (float) Math.sqrt(5 / 25.0);
        assertArrayEquals(new float[] {3 * scale, -4 * scale, 0, 0, 0, 1, 1, 2, 2, 2}, x, 1e-6f);
    }

    private static float[] gaussian(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
