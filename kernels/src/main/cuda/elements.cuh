// How elements of K and V are stored, as io.kvmanager.ElementType has it. Conversions are bit operations, so that the
// same source compiles for a GPU and for a CPU.
//
// `unpack` is the fast way out of a vector of 16 bytes. It may leave a power of two behind: the value is the unpacked
// number times UNFOLD, which the caller folds into what it multiplies with. For F16 that spares rebuilding exponents:
// its bits, moved into place, are an F32 that is 2^112 too small, subnormals included. (Infinities come out as 65536;
// `decode` is exact.)
#pragma once

#include "layout.cuh"

struct F32 {
    typedef float Stored;
    static constexpr int PER_VECTOR = 4;
    static constexpr float UNFOLD = 1.0f;

    static __device__ inline float decode(float stored) {
        return stored;
    }

    static __device__ inline float encode(float value) {
        return value;
    }

    static __device__ inline void unpack(const uint4& vector, float* to) {
        to[0] = __uint_as_float(vector.x);
        to[1] = __uint_as_float(vector.y);
        to[2] = __uint_as_float(vector.z);
        to[3] = __uint_as_float(vector.w);
    }

    static __device__ inline void put(unsigned* words, int index, float stored) {
        words[index] = __float_as_uint(stored);
    }
};

// Two 16-bit elements to a word, the lower one first.
struct Pairs {
    static __device__ inline void put(unsigned* words, int index, unsigned short stored) {
        words[index / 2] |= (unsigned)stored << (index % 2 * 16);
    }
};

struct F16 : Pairs {
    typedef unsigned short Stored;
    static constexpr int PER_VECTOR = 8;
    static constexpr float UNFOLD = 0x1p112f;

    static __device__ inline float decode(unsigned short stored) {
        unsigned sign = (unsigned)(stored & 0x8000) << 16;
        unsigned magnitude = stored & 0x7fff;
        if (magnitude >= 0x7c00) {
            return __uint_as_float(sign | 0x7f800000u | (magnitude & 0x3ff) << 13);
        }
        return __uint_as_float(sign | magnitude << 13) * UNFOLD;
    }

    // Rounded to nearest even.
    static __device__ inline unsigned short encode(float value) {
        unsigned bits = __float_as_uint(value);
        unsigned sign = bits >> 16 & 0x8000;
        unsigned magnitude = bits & 0x7fffffff;
        if (magnitude > 0x7f800000) {
            return (unsigned short)(sign | 0x7e00);
        }
        if (magnitude >= 0x47800000) {  // 65536 and above
            return (unsigned short)(sign | 0x7c00);
        }
        if (magnitude >= 0x38800000) {  // a normal F16: the rounding may carry into the exponent
            unsigned rounded = magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1);
            return (unsigned short)(sign | rounded >> 13);
        }
        // A multiple of 2^-24; the addition rounds it to an integer.
        float scaled = __uint_as_float(magnitude) * 0x1p24f;
        return (unsigned short)(sign | (__float_as_uint(scaled + 0x1p23f) - 0x4b000000u));
    }

    static __device__ inline void unpack(const uint4& vector, float* to) {
        unpackPair(vector.x, to);
        unpackPair(vector.y, to + 2);
        unpackPair(vector.z, to + 4);
        unpackPair(vector.w, to + 6);
    }

private:
    // Sign-extended by three bits, exponent and mantissa are where an F32 has them.
    static __device__ inline void unpackPair(unsigned word, float* to) {
        to[0] = __uint_as_float((unsigned)((int)(word << 16) >> 3) & 0x8fffe000u);
        to[1] = __uint_as_float((unsigned)((int)word >> 3) & 0x8fffe000u);
    }
};

struct BF16 : Pairs {
    typedef unsigned short Stored;
    static constexpr int PER_VECTOR = 8;
    static constexpr float UNFOLD = 1.0f;

    static __device__ inline float decode(unsigned short stored) {
        return __uint_as_float((unsigned)stored << 16);
    }

    // Rounded to nearest even.
    static __device__ inline unsigned short encode(float value) {
        unsigned bits = __float_as_uint(value);
        if ((bits & 0x7fffffff) > 0x7f800000) {
            return (unsigned short)(bits >> 16 | 0x40);
        }
        return (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }

    static __device__ inline void unpack(const uint4& vector, float* to) {
        unpackPair(vector.x, to);
        unpackPair(vector.y, to + 2);
        unpackPair(vector.z, to + 4);
        unpackPair(vector.w, to + 6);
    }

private:
    static __device__ inline void unpackPair(unsigned word, float* to) {
        to[0] = __uint_as_float(word << 16);
        to[1] = __uint_as_float(word & 0xffff0000u);
    }
};

// Vectors that hold a row; the last one may be partly beyond it.
__device__ inline int vectorsPerRow(const CacheShape& shape) {
    return ceilDiv(shape.rowBytes, VECTOR_BYTES);
}

// Whether rows can be read by vectors; else they are read by elements.
__device__ inline bool hasWholeVectors(const CacheShape& shape) {
    return shape.rowBytes % VECTOR_BYTES == 0;
}

__device__ inline uint4 zeroVector() {
    return uint4{0, 0, 0, 0};
}

// One vector of a row put together from elements, zero beyond the row's end.
template <class T>
__device__ inline uint4 gatherVector(const CacheShape& shape, const unsigned char* row, int vector) {
    const typename T::Stored* stored = reinterpret_cast<const typename T::Stored*>(row);
    unsigned words[4] = {0, 0, 0, 0};
#pragma unroll
    for (int i = 0; i < T::PER_VECTOR; i++) {
        int element = vector * T::PER_VECTOR + i;
        if (element < shape.headSize) {
            T::put(words, i, stored[element]);
        }
    }
    return uint4{words[0], words[1], words[2], words[3]};
}
