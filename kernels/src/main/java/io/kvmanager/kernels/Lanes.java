package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vectors of this machine's preferred width, at most 16 lanes, and how stored elements become F32 lanes.
 *
 * <p>A BF16 row of V is read as 32-bit pairs: element {@code 2i} in the low half of lane i, {@code 2i + 1} in the high.
 * Both halves become F32 in place, so one load gives a vector of the even and one of the odd elements, and whatever
 * they meet is held in the same split order.
 */
final class Lanes {
    static final VectorSpecies<Float> FLOATS =
            FloatVector.SPECIES_PREFERRED.length() > 16 ? FloatVector.SPECIES_512 : FloatVector.SPECIES_PREFERRED;
    static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, FLOATS.vectorShape());
    static final int LANES = FLOATS.length();

    /** Elements of a row that are read together: a vector of pairs, or two of F32. */
    static final int STEP = 2 * LANES;

    private static final VectorShuffle<Float> BY_EIGHT = rotation(8);
    private static final VectorShuffle<Float> BY_FOUR = rotation(4);
    private static final VectorShuffle<Float> BY_TWO = rotation(2);

    /** As many 16-bit elements as there are lanes. */
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(16 * LANES));

    static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    static final int F16_IN_F32 = 0x8fffe000;
    static final float F16_SCALE = 0x1p112f;

    private Lanes() {}

    private static VectorShuffle<Float> rotation(int lanes) {
        return VectorShuffle.fromOp(FLOATS, lane -> (lane + lanes) % LANES);
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

    /** Decodes {@code count} stored elements to F32 in element order. */
    static void decode(
            ElementType type, MemorySegment from, long fromOffset, int count, MemorySegment to, long toOffset) {
        int whole = count - count % LANES;
        switch (type) {
            case F32 -> {
                MemorySegment.copy(from, fromOffset, to, toOffset, 4L * count);
                return;
            }
            case F16 -> decodeF16(from, fromOffset, whole, to, toOffset);
            case BF16 -> decodeBf16(from, fromOffset, whole, to, toOffset);
        }
        for (int e = whole; e < count; e++) {
            float element = type.decode(from.get(ValueLayout.JAVA_SHORT, fromOffset + 2L * e));
            to.set(ValueLayout.JAVA_FLOAT, toOffset + 4L * e, element);
        }
    }

    /**
     * In the upper halves of lanes, F16's exponent field lands in F32's, 112 too low. Exact for every finite F16;
     * infinity reads as 65536.
     */
    private static void decodeF16(MemorySegment from, long fromOffset, int count, MemorySegment to, long toOffset) {
        for (int e = 0; e < count; e += LANES) {
            ((IntVector) ShortVector.fromMemorySegment(SHORTS, from, fromOffset + 2L * e, ORDER)
                            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0))
                    .lanewise(VectorOperators.LSHL, 16)
                    .lanewise(VectorOperators.ASHR, 3)
                    .and(F16_IN_F32)
                    .reinterpretAsFloats()
                    .mul(F16_SCALE)
                    .intoMemorySegment(to, toOffset + 4L * e, ORDER);
        }
    }

    private static void decodeBf16(MemorySegment from, long fromOffset, int count, MemorySegment to, long toOffset) {
        for (int e = 0; e < count; e += LANES) {
            ((IntVector) ShortVector.fromMemorySegment(SHORTS, from, fromOffset + 2L * e, ORDER)
                            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0))
                    .lanewise(VectorOperators.LSHL, 16)
                    .intoMemorySegment(to, toOffset + 4L * e, ORDER);
        }
    }

    /**
     * Whether rows of V are read as they are stored: not F16, whole vectors, and 16 of a tile one behind the other.
     * {@link RowPanel} decodes others to F32.
     */
    static boolean inPlace(CacheGeometry geometry) {
        return geometry.elementType() != ElementType.F16
                && geometry.headSize() % STEP == 0
                && geometry.blockTokens() >= RowPanel.RUN_ROWS;
    }

    /** Whether rows are read as BF16 pairs; otherwise as F32. */
    static boolean inPairs(CacheGeometry geometry) {
        return inPlace(geometry) && geometry.elementType() == ElementType.BF16;
    }

    /** Elements of one row as it is read, a whole number of steps. */
    static int splitStride(CacheGeometry geometry) {
        return (geometry.headSize() + STEP - 1) / STEP * STEP;
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
