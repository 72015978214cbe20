package io.kvmanager.inference.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.kvmanager.inference.math.Matrix;
import io.kvmanager.inference.math.RmsNorm;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A safetensors file.
 *
 * <pre>
 * u64 headerBytes, little-endian
 * JSON { name: { "dtype": "BF16", "shape": [outputs, inputs], "data_offsets": [begin, end] }, "__metadata__": ... }
 * data                                      offsets count from here; the last tensor ends where the file does
 * </pre>
 *
 * <p>Tensors of other names than those asked for are not looked at, beyond their place in the file.
 */
final class SafetensorsFile {
    private static final String ACCEPTED_TYPES = "F32, F16, BF16";
    private static final int LENGTH_BYTES = 8;
    private static final long MOST_HEADER_BYTES = 100_000_000;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String file;
    private final Map<String, Tensor> tensors = new HashMap<>();

    private enum Type {
        F32(4),
        F16(2),
        BF16(2);

        private final int bytes;

        Type(int bytes) {
            this.bytes = bytes;
        }
    }

    /** A tensor as the header tells; its type and shape are judged when it is asked for. */
    private record Tensor(String type, List<Long> shape, MemorySegment bytes) {}

    private SafetensorsFile(String file) {
        this.file = file;
    }

    /** Reads the header and checks it against the file's size. */
    static SafetensorsFile parse(String file, MemorySegment bytes) {
        SafetensorsFile parsed = new SafetensorsFile(file);
        long headerBytes = bytes.byteSize() < LENGTH_BYTES ? 0 : bytes.get(LONG, 0);
        if (headerBytes < 2 || headerBytes > Math.min(MOST_HEADER_BYTES, bytes.byteSize() - LENGTH_BYTES)) {
            throw new ModelFormatException(
                    file,
                    "is not a safetensors file, or is truncated: a header of " + headerBytes + " bytes in a file of "
                            + bytes.byteSize());
        }
        MemorySegment header = bytes.asSlice(LENGTH_BYTES, headerBytes);
        MemorySegment data = bytes.asSlice(LENGTH_BYTES + headerBytes);
        JsonFields fields = JsonFields.parse(file, header.toArray(ValueLayout.JAVA_BYTE));
        long end = 0;
        for (Map.Entry<String, JsonNode> entry : fields.node().properties()) {
            if (!entry.getKey().equals("__metadata__")) {
                end = Math.max(end, parsed.add(entry.getKey(), entry.getValue(), data));
            }
        }
        if (end != data.byteSize()) {
            throw new ModelFormatException(
                    file,
                    "its tensors end at byte " + end + " of the data, the file holds " + data.byteSize()
                            + " bytes of data");
        }
        return parsed;
    }

    /** Adds a tensor and returns where it ends. */
    private long add(String name, JsonNode entry, MemorySegment data) {
        JsonNode offsets = entry.path("data_offsets");
        JsonNode shape = entry.path("shape");
        long begin = offsets.path(0).asLong(-1);
        long end = offsets.path(1).asLong(-1);
        if (!entry.path("dtype").isTextual() || !shape.isArray() || offsets.size() != 2 || begin < 0 || end < begin) {
            throw new ModelFormatException(file, "the header's entry for tensor " + name + " is malformed");
        }
        if (end > data.byteSize()) {
            throw new ModelFormatException(
                    file,
                    "is truncated: tensor " + name + " ends at byte " + end + " of the data, the file holds "
                            + data.byteSize() + " bytes of data");
        }
        List<Long> sides = new ArrayList<>();
        shape.forEach(side -> sides.add(side.asLong(-1)));
        tensors.put(name, new Tensor(entry.path("dtype").textValue(), sides, data.asSlice(begin, end - begin)));
        return end;
    }

    /** A tensor {@code [outputs][inputs]}, widened to F32. */
    Matrix matrix(String name, int outputs, int inputs) {
        Tensor tensor = tensor(name, outputs, inputs);
        Type type = Type.valueOf(tensor.type());
        return new Matrix(outputs, inputs, (output, row) -> widen(type, tensor.bytes(), (long) output * inputs, row));
    }

    /** A tensor {@code [elements]} as the gain of a norm. */
    RmsNorm norm(String name, int elements, double epsilon) {
        Tensor tensor = tensor(name, elements);
        float[] gain = new float[elements];
        widen(Type.valueOf(tensor.type()), tensor.bytes(), 0, gain);
        return new RmsNorm(gain, epsilon);
    }

    private Tensor tensor(String name, long... shape) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new ModelFormatException(file, "tensor " + name + " is missing");
        }
        List<Long> expected = new ArrayList<>();
        long elements = 1;
        for (long side : shape) {
            expected.add(side);
            elements *= side;
        }
        if (!isType(tensor.type())) {
            throw new ModelFormatException(
                    file, "tensor " + name + " has type " + tensor.type() + "; accepted: " + ACCEPTED_TYPES);
        }
        if (!tensor.shape().equals(expected)) {
            throw new ModelFormatException(
                    file, "tensor " + name + " has shape " + tensor.shape() + ", config.json asks for " + expected);
        }
        long bytes = elements * Type.valueOf(tensor.type()).bytes;
        if (tensor.bytes().byteSize() != bytes) {
            throw new ModelFormatException(
                    file,
                    "tensor " + name + " takes " + tensor.bytes().byteSize() + " bytes, its shape and type make "
                            + bytes);
        }
        return tensor;
    }

    private static boolean isType(String name) {
        for (Type type : Type.values()) {
            if (type.name().equals(name)) {
                return true;
            }
        }
        return false;
    }

    private static void widen(Type type, MemorySegment bytes, long first, float[] into) {
        long at = first * type.bytes;
        switch (type) {
            case F32 -> {
                for (int i = 0; i < into.length; i++) {
                    into[i] = bytes.get(FLOAT, at + 4L * i);
                }
            }
            case F16 -> {
                for (int i = 0; i < into.length; i++) {
                    into[i] = Float.float16ToFloat(bytes.get(SHORT, at + 2L * i));
                }
            }
            case BF16 -> {
                for (int i = 0; i < into.length; i++) {
                    into[i] = Float.intBitsToFloat(bytes.get(SHORT, at + 2L * i) << 16);
                }
            }
        }
    }
}
