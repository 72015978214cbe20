package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vectors of this machine's preferred width, at most 16 lanes, and how stored elements become F32 lanes.
 *
 * <p>Whole and masked access are methods of their own: where two ways to make a vector meet in one variable, the
 * compiler keeps it as an object and allocates.
 *
 * <p>A BF16 row is read as 32-bit pairs: element {@code 2i} in the low half of lane i, {@code 2i + 1} in the high half.
 * Both halves become F32 in place, so one load gives a vector of the even and one of the odd elements, and whatever
 * they meet (query, accumulator) is held in the same split order. F16, and BF16 of an odd head size, is decoded to F32
 * first.
 */
final class Lanes {
    static final VectorSpecies<Float> FLOATS =
            FloatVector.SPECIES_PREFERRED.length() > 16 ? FloatVector.SPECIES_512 : FloatVector.SPECIES_PREFERRED;
    static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, FLOATS.vectorShape());
    static final int LANES = FLOATS.length();

    private static final VectorShuffle<Float> BY_EIGHT = rotation(8);
    private static final VectorShuffle<Float> BY_FOUR = rotation(4);
    private static final VectorShuffle<Float> BY_TWO = rotation(2);

    /** As many 16-bit elements as there are lanes. */
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(16 * LANES));

    /** Lanes of the narrow vectors that move four rows' results. */
    static final VectorSpecies<Float> FOUR = FloatVector.SPECIES_128;

    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final int HIGH_HALF = 0xffff0000;
    private static final int F16_IN_F32 = 0x8fffe000;
    private static final float F16_SCALE = 0x1p112f;

    private Lanes() {}

    private static VectorShuffle<Float> rotation(int lanes) {
        return VectorShuffle.fromOp(FLOATS, lane -> (lane + lanes) % LANES);
    }

    /** F32 elements at byte {@code offset}. */
    static FloatVector floats(MemorySegment memory, long offset) {
        return FloatVector.fromMemorySegment(FLOATS, memory, offset, ORDER);
    }

    /** F32 elements at byte {@code offset}; zero outside of the mask. */
    static FloatVector floats(MemorySegment memory, long offset, VectorMask<Float> mask) {
        return FloatVector.fromMemorySegment(FLOATS, memory, offset, ORDER, mask);
    }

    /** Pairs of 16-bit elements at byte {@code offset}. */
    static IntVector pairs(MemorySegment memory, long offset) {
        return IntVector.fromMemorySegment(INTS, memory, offset, ORDER);
    }

    /** Pairs of 16-bit elements at byte {@code offset}; zero outside of the mask. */
    static IntVector pairs(MemorySegment memory, long offset, VectorMask<Integer> mask) {
        return IntVector.fromMemorySegment(INTS, memory, offset, ORDER, mask);
    }

    static void store(FloatVector vector, MemorySegment memory, long offset) {
        vector.intoMemorySegment(memory, offset, ORDER);
    }

    /**
     * The sum of all lanes, halves added to halves. A {@code reduceLanes} may add in another order once it is
     * compiled, so that results would depend on when the compiler had its turn.
     */
    static float sum(FloatVector vector) {
        FloatVector sums = vector;
        if (LANES > 8) {
            sums = sums.add(sums.rearrange(BY_EIGHT));
        }
        if (LANES > 4) {
            sums = sums.add(sums.rearrange(BY_FOUR));
        }
        sums = sums.add(sums.rearrange(BY_TWO));
        return sums.lane(0) + sums.lane(1);
    }

    /** Copies four F32 elements. */
    static void storeFour(float[] from, int index, MemorySegment memory, long offset) {
        FloatVector.fromArray(FOUR, from, index).intoMemorySegment(memory, offset, ORDER);
    }

    /** The even elements of BF16 pairs. */
    static FloatVector even(IntVector pairs) {
        return pairs.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    /** The odd elements of BF16 pairs. */
    static FloatVector odd(IntVector pairs) {
        return pairs.and(HIGH_HALF).reinterpretAsFloats();
    }

    /** Decodes {@code count} stored 16-bit elements to F32 in element order. */
    static void decode(
            ElementType type, MemorySegment from, long fromOffset, int count, MemorySegment to, long toOffset) {
        boolean f16 = type == ElementType.F16;
        int whole = count - count % LANES;
        for (int e = 0; e < whole; e += LANES) {
            IntVector high = ((IntVector) ShortVector.fromMemorySegment(SHORTS, from, fromOffset + 2L * e, ORDER)
                            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0))
                    .lanewise(VectorOperators.LSHL, 16);
            FloatVector elements = f16 ? half(high) : high.reinterpretAsFloats();
            elements.intoMemorySegment(to, toOffset + 4L * e, ORDER);
        }
        for (int e = whole; e < count; e++) {
            float element = type.decode(from.get(ValueLayout.JAVA_SHORT, fromOffset + 2L * e));
            to.set(ValueLayout.JAVA_FLOAT, toOffset + 4L * e, element);
        }
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

    /** Whether rows are read as BF16 pairs; otherwise as F32, stored so or decoded by {@link FourTiles}. */
    static boolean inPairs(CacheGeometry geometry) {
        return geometry.elementType() == ElementType.BF16 && geometry.headSize() % 2 == 0;
    }

    /** Elements of one row in vectors, a whole number of loads. */
    static int splitStride(CacheGeometry geometry) {
        int step = inPairs(geometry) ? 2 * LANES : LANES;
        return (geometry.headSize() + step - 1) / step * step;
    }

    /** Where element {@code e} of a row goes: when read in pairs, vectors of even and of odd elements alternate. */
    static int splitIndex(boolean inPairs, int e) {
        if (!inPairs) {
            return e;
        }
        int pair = e / 2;
        return pair / LANES * 2 * LANES + (e & 1) * LANES + pair % LANES;
    }
}
