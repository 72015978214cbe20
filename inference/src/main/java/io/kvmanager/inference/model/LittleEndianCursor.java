package io.kvmanager.inference.model;

import io.kvmanager.inference.math.Matrix;
import io.kvmanager.inference.math.RmsNorm;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Walks a little-endian file from front to back. The reader has checked the file's size before. */
final class LittleEndianCursor {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int CODES_PER_BYTE = 4;

    private final MemorySegment bytes;
    private long at;

    LittleEndianCursor(MemorySegment bytes) {
        this.bytes = bytes;
    }

    long at() {
        return at;
    }

    long remaining() {
        return bytes.byteSize() - at;
    }

    void skipTo(long offset) {
        at = offset;
    }

    int nextInt() {
        int value = bytes.get(INT, at);
        at += Integer.BYTES;
        return value;
    }

    float nextFloat() {
        float value = bytes.get(FLOAT, at);
        at += Float.BYTES;
        return value;
    }

    byte[] nextBytes(int count) {
        byte[] next = bytes.asSlice(at, count).toArray(ValueLayout.JAVA_BYTE);
        at += count;
        return next;
    }

    private void nextFloats(float[] into) {
        for (int i = 0; i < into.length; i++) {
            into[i] = nextFloat();
        }
    }

    RmsNorm nextNorm(int elements, double epsilon) {
        float[] gain = new float[elements];
        nextFloats(gain);
        return new RmsNorm(gain, epsilon);
    }

    RmsNorm[] nextNorms(int count, int elements, double epsilon) {
        RmsNorm[] norms = new RmsNorm[count];
        Arrays.setAll(norms, i -> nextNorm(elements, epsilon));
        return norms;
    }

    /** F32 weights {@code [outputs][inputs]}. */
    Matrix nextMatrix(int outputs, int inputs) {
        return new Matrix(outputs, inputs, (output, row) -> nextFloats(row));
    }

    /** F32 weights {@code [count][outputs][inputs]}. */
    Matrix[] nextMatrices(int count, int outputs, int inputs) {
        Matrix[] matrices = new Matrix[count];
        Arrays.setAll(matrices, i -> nextMatrix(outputs, inputs));
        return matrices;
    }

    /** Matrices of an F32 scale and 2-bit codes, lowest bits first: 0 = 0, 1 = +1, 3 = -1. */
    Matrix[] nextTernaryMatrices(int count, int outputs, int inputs) {
        Matrix[] matrices = new Matrix[count];
        Arrays.setAll(matrices, i -> nextTernaryMatrix(outputs, inputs));
        return matrices;
    }

    static long ternaryBytes(long outputs, long inputs) {
        return Float.BYTES + outputs * inputs / CODES_PER_BYTE;
    }

    private Matrix nextTernaryMatrix(int outputs, int inputs) {
        float scale = nextFloat();
        float[] values = {0, scale, 0, -scale};
        long first = at;
        at += (long) outputs * inputs / CODES_PER_BYTE;
        return new Matrix(outputs, inputs, (output, row) -> {
            for (int input = 0; input < inputs; input++) {
                long code = (long) output * inputs + input;
                int packed = bytes.get(ValueLayout.JAVA_BYTE, first + code / CODES_PER_BYTE);
                row[input] = values[packed >> (int) (code % CODES_PER_BYTE * 2) & 3];
            }
        });
    }
}
