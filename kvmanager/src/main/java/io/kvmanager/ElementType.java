package io.kvmanager;

import java.util.Locale;

/**
 * How one element of K or V is stored. Accumulation is always F32.
 *
 * <p>BF16 keeps the upper 16 bits of an F32 (conversion is a shift) and is the default; F16 is IEEE 754 binary16.
 */
public enum ElementType {
    F32(4),
    F16(2),
    BF16(2);

    private final int bytes;

    ElementType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of one stored element. */
    public int bytes() {
        return bytes;
    }

    /** The 16 stored bits of {@code value}, rounded to nearest even; NaN stays NaN. Only for 16-bit types. */
    public short encode(float value) {
        return switch (this) {
            case F16 -> Float.floatToFloat16(value);
            case BF16 -> encodeBf16(value);
            case F32 -> throw new IllegalStateException("F32 is stored in 32 bits");
        };
    }

    /** The value of 16 stored bits. Only for 16-bit types. */
    public float decode(short bits) {
        return switch (this) {
            case F16 -> Float.float16ToFloat(bits);
            case BF16 -> Float.intBitsToFloat(bits << 16);
            case F32 -> throw new IllegalStateException("F32 is stored in 32 bits");
        };
    }

    private static short encodeBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) ((bits >>> 16) | 0x40);
        }
        return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }

    /** Reads a name as users write it, in any case; one clear line otherwise. */
    public static ElementType parse(String text) {
        for (ElementType type : values()) {
            if (type.name().equals(text.toUpperCase(Locale.ROOT))) {
                return type;
            }
        }
        throw new IllegalArgumentException("elementType '" + text + "' is unknown; accepted: f32, f16, bf16");
    }
}
