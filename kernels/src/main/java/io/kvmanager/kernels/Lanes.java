package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vectors of this machine's preferred width, at most 16 lanes, and how stored elements become F32 lanes.
 *
 * <p>A 16-bit row is read as 32-bit pairs: element {@code 2i} in the low half of lane i, {@code 2i + 1} in the high half.
 * Both halves become F32 in place, so one load gives a vector of the even and one of the odd elements, and whatever they
 * meet (query, accumulator) is held in the same split order.
 */
final class Lanes {
    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED.length() > 16
            ? FloatVector.SPECIES_512
            : FloatVector.SPECIES_PREFERRED;
    static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, FLOATS.vectorShape());
    static final int LANES = FLOATS.length();

    /** Lanes of the narrow vectors that move four rows' results. */
    static final VectorSpecies<Float> FOUR = FloatVector.SPECIES_128;

    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final int HIGH_HALF = 0xffff0000;
    private static final int F16_IN_F32 = 0x8fffe000;
    private static final float F16_SCALE = 0x1p112f;

    private Lanes() {}

    /** F32 elements at byte {@code offset}; lanes from {@code left} on are zero. */
    static FloatVector floats(MemorySegment memory, long offset, int left) {
        return left >= LANES
                ? FloatVector.fromMemorySegment(FLOATS, memory, offset, ORDER)
                : FloatVector.fromMemorySegment(FLOATS, memory, offset, ORDER, FLOATS.indexInRange(0, left));
    }

    /** Writes the first {@code left} lanes as F32 elements at byte {@code offset}. */
    static void store(FloatVector vector, MemorySegment memory, long offset, int left) {
        if (left >= LANES) {
            vector.intoMemorySegment(memory, offset, ORDER);
        } else {
            vector.intoMemorySegment(memory, offset, ORDER, FLOATS.indexInRange(0, left));
        }
    }

    /** Copies four F32 elements. */
    static void storeFour(float[] from, int index, MemorySegment memory, long offset) {
        FloatVector.fromArray(FOUR, from, index).intoMemorySegment(memory, offset, ORDER);
    }

    /** Pairs of 16-bit elements at byte {@code offset}; lanes from {@code left} on are zero. */
    static IntVector pairs(MemorySegment memory, long offset, int left) {
        return left >= LANES
                ? IntVector.fromMemorySegment(INTS, memory, offset, ORDER)
                : IntVector.fromMemorySegment(INTS, memory, offset, ORDER, INTS.indexInRange(0, left));
    }

    /** The even elements of pairs. */
    static FloatVector even(IntVector pairs, boolean bf16) {
        IntVector high = pairs.lanewise(VectorOperators.LSHL, 16);
        return bf16 ? high.reinterpretAsFloats() : half(high);
    }

    /** The odd elements of pairs. */
    static FloatVector odd(IntVector pairs, boolean bf16) {
        return bf16 ? pairs.and(HIGH_HALF).reinterpretAsFloats() : half(pairs);
    }

    /**
     * F16 in the upper halves to F32: the exponent field lands in F32's, 112 too low. Exact for every finite F16;
     * infinity reads as 65536.
     */
    private static FloatVector half(IntVector high) {
        return high.lanewise(VectorOperators.ASHR, 3)
                .and(F16_IN_F32)
                .reinterpretAsFloats()
                .mul(F16_SCALE);
    }

    /** Elements of one row in vectors, a whole number of loads. */
    static int splitStride(CacheGeometry geometry) {
        int step = geometry.elementType() == ElementType.F32 ? LANES : 2 * LANES;
        return (geometry.headSize() + step - 1) / step * step;
    }

    /** Where element {@code e} of a row goes: for 16-bit types, vectors of even and of odd elements alternate. */
    static int splitIndex(ElementType type, int e) {
        if (type == ElementType.F32) {
            return e;
        }
        int pair = e / 2;
        return pair / LANES * 2 * LANES + (e & 1) * LANES + pair % LANES;
    }
}
