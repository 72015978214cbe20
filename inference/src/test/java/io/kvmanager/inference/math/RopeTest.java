package io.kvmanager.inference.math;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class RopeTest {
    private static final int SIZE = 8;
    private static final double THETA = 10000;

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void pairsTurnByPositionTimesFrequency(boolean interleaved) {
        float[] x = random(2 * SIZE);
        float[] turned = x.clone();
        turn(turned, 1, 2, 500, interleaved);
        for (int head = 0; head < 2; head++) {
            for (int i = 0; i < SIZE / 2; i++) {
                int a = head * SIZE + (interleaved ? 2 * i : i);
                int b = interleaved ? a + 1 : a + SIZE / 2;
                double angle = 500 * Math.pow(THETA, -2.0 * i / SIZE);
                assertEquals(x[a] * Math.cos(angle) - x[b] * Math.sin(angle), turned[a], 1e-6);
                assertEquals(x[a] * Math.sin(angle) + x[b] * Math.cos(angle), turned[b], 1e-6);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void productsDependOnDistanceAlone(boolean interleaved) {
        assertEquals(dot(3, 10, interleaved), dot(903, 910, interleaved), 1e-4);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rowsUseTheAnglesOfTheirOwnPosition(boolean interleaved) {
        Rope rope = new Rope(SIZE, THETA, interleaved);
        float[] cos = new float[5 * SIZE / 2];
        float[] sin = new float[5 * SIZE / 2];
        rope.angles(100, 5, cos, sin);
        float[] x = random(2 * SIZE);
        float[] first = new float[SIZE];
        float[] second = new float[SIZE];
        System.arraycopy(x, 0, first, 0, SIZE);
        System.arraycopy(x, SIZE, second, 0, SIZE);
        rope.rotate(x, 2, 1, new int[] {1, 4}, cos, sin);
        turn(first, 1, 1, 101, interleaved);
        turn(second, 1, 1, 104, interleaved);
        float[] expected = new float[2 * SIZE];
        System.arraycopy(first, 0, expected, 0, SIZE);
        System.arraycopy(second, 0, expected, SIZE, SIZE);
        assertArrayEquals(expected, x);
    }

    private static double dot(int position, int other, boolean interleaved) {
        float[] q = random(SIZE);
        float[] k = random(2 * SIZE);
        turn(q, 1, 1, position, interleaved);
        turn(k, 1, 1, other, interleaved);
        double sum = 0;
        for (int i = 0; i < SIZE; i++) {
            sum += q[i] * k[i];
        }
        return sum;
    }

    private static void turn(float[] x, int rows, int heads, int position, boolean interleaved) {
        Rope rope = new Rope(SIZE, THETA, interleaved);
        float[] cos = new float[rows * SIZE / 2];
        float[] sin = new float[rows * SIZE / 2];
        rope.angles(position, rows, cos, sin);
        rope.rotate(x, rows, heads, new int[rows], cos, sin);
    }

    private static float[] random(int count) {
        Random random = new Random(count);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
