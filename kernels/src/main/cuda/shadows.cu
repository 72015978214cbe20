// Shadows of V, quantised copies of full blocks, and how far rows are from what stands in for them. The layout is that
// of io.kvmanager.spi.ShadowLayout:
//
//   value = low[channel] + scale[channel] * code      a channel is one element of the head, over the block's slots
//
//   range block  shadow r has its lows in slot 2r, its scales in slot 2r + 1, elements as V's
//   code block   [kvHead][place][slot][code row]; int4: byte i has channel i low, channel i + half high
//
// A low is the smallest element of its channel, a scale is rounded up, a code is the nearest: arithmetic is in double,
// as on the host, so codes are the host's.
#include "elements.cuh"
#include "reduce.cuh"

constexpr double REACH_ROUNDING = 1 + 1e-9;  // more than double arithmetic loses in a norm

template <int BITS>
__device__ inline int codeRowBytes(const CacheShape& shape) {
    return BITS == 8 ? shape.headSize : ceilDiv(shape.headSize, 2);
}

template <int BITS>
__device__ inline int codesPerBlock(const CacheShape& shape) {
    return shape.tileBytes / (shape.blockTokens * codeRowBytes<BITS>(shape));
}

template <int BITS>
__device__ inline unsigned char* codesAt(const CacheShape& shape, int codeBlock, int place, int kvHead) {
    return tileAt(shape, tileIndex(shape, codeBlock, kvHead)) + place * shape.blockTokens * codeRowBytes<BITS>(shape);
}

template <int BITS>
__device__ inline int codeOf(const CacheShape& shape, const unsigned char* row, int channel) {
    int half = codeRowBytes<BITS>(shape);
    return BITS == 8 ? row[channel] : channel < half ? row[channel] & 15 : row[channel - half] >> 4;
}

template <class T>
__device__ inline typename T::Stored* elements(unsigned char* row) {
    return reinterpret_cast<typename T::Stored*>(row);
}

template <class T>
__device__ inline double element(const CacheShape& shape, int blockId, int kvHead, int slot, int index) {
    return T::decode(elements<T>(rowAt(shape, blockId, kvHead, slot))[index]);
}

// Rounded up; what is not a number is as far as can be, so that it is always read.
__device__ inline float rounded(double reach) {
    double most = reach * REACH_ROUNDING;
    float nearest = (float)most;
    if (most != most) {
        return INFINITY;
    }
    return nearest < most ? __uint_as_float(__float_as_uint(nearest) + 1) : nearest;
}

__device__ inline double larger(double a, double b) {
    return b > a || b != b ? b : a;  // NaN stays
}

// Distance of the block's rows from zero, or from a mean that is stored as a row. Grid: KV heads.
template <class T>
__device__ inline void reach(
        const CacheShape& shape, int blockId, int summaryBlockId, int summarySlot, float* reaches, int index) {
    __shared__ double parts[THREADS / WARP];
    int kvHead = blockIdx.x;
    double largest = 0;
    for (int slot = 0; slot < shape.blockTokens; slot++) {
        double sum = 0;
        for (int e = threadIdx.x; e < shape.headSize; e += THREADS) {
            double center = summaryBlockId == ABSENT ? 0 : element<T>(shape, summaryBlockId, kvHead, summarySlot, e);
            double distance = element<T>(shape, blockId, kvHead, slot, e) - center;
            sum += distance * distance;
        }
        largest = larger(largest, ctaSum(sum, parts));
    }
    if (threadIdx.x == 0) {
        reaches[(long long)index * shape.kvHeads + kvHead] = rounded(sqrt(largest));
    }
}

// The smallest stored number that is not below a value, which is not negative.
template <class T>
__device__ inline typename T::Stored storedUp(double value) {
    typename T::Stored stored = T::encode((float)value);
    if (T::decode(stored) < value) {
        stored++;  // positive numbers order like their bits
    }
    return stored;
}

template <>
__device__ inline float storedUp<F32>(double value) {
    float nearest = (float)value;
    return nearest < value ? __uint_as_float(__float_as_uint(nearest) + 1) : nearest;
}

struct Shadow {
    int codeBlock;
    int place;
    int rangeBlock;
    int range;
};

// Stores a channel's low and scale.
template <class T>
__device__ inline void rangeChannel(
        const CacheShape& shape, int blockId, int kvHead, int maxCode, const Shadow& shadow, int channel) {
    float low = INFINITY;
    float high = -INFINITY;
    for (int slot = 0; slot < shape.blockTokens; slot++) {
        float value = (float)element<T>(shape, blockId, kvHead, slot, channel);
        low = fminf(low, value);
        high = fmaxf(high, value);
    }
    elements<T>(rowAt(shape, shadow.rangeBlock, kvHead, 2 * shadow.range))[channel] = T::encode(low);
    elements<T>(rowAt(shape, shadow.rangeBlock, kvHead, 2 * shadow.range + 1))[channel] =
            storedUp<T>(((double)high - low) / maxCode);
}

template <class T>
__device__ inline int nearestCode(
        const CacheShape& shape, int blockId, int kvHead, int slot, int maxCode, const Shadow& shadow, int channel) {
    double low = element<T>(shape, shadow.rangeBlock, kvHead, 2 * shadow.range, channel);
    double scale = element<T>(shape, shadow.rangeBlock, kvHead, 2 * shadow.range + 1, channel);
    double steps = scale > 0 ? (element<T>(shape, blockId, kvHead, slot, channel) - low) / scale : 0;
    return steps >= 0 ? (int)min((double)maxCode, rint(steps)) : 0;
}

// Makes a block's shadow and measures how far the rows are from it. A thread has all channels of its bytes, so nobody
// else reads what it writes before the barrier. Grid: KV heads.
template <class T, int BITS>
__device__ inline void quantise(const CacheShape& shape, int blockId, const Shadow& shadow, float* reaches, int index) {
    __shared__ double parts[THREADS / WARP];
    constexpr int MAX_CODE = (1 << BITS) - 1;
    int kvHead = blockIdx.x;
    int codeRow = codeRowBytes<BITS>(shape);
    unsigned char* codes = codesAt<BITS>(shape, shadow.codeBlock, shadow.place, kvHead);
    for (int byte = threadIdx.x; byte < codeRow; byte += THREADS) {
        bool two = BITS == 4 && byte + codeRow < shape.headSize;
        rangeChannel<T>(shape, blockId, kvHead, MAX_CODE, shadow, byte);
        if (two) {
            rangeChannel<T>(shape, blockId, kvHead, MAX_CODE, shadow, byte + codeRow);
        }
        for (int slot = 0; slot < shape.blockTokens; slot++) {
            int code = nearestCode<T>(shape, blockId, kvHead, slot, MAX_CODE, shadow, byte);
            int other = two ? nearestCode<T>(shape, blockId, kvHead, slot, MAX_CODE, shadow, byte + codeRow) : 0;
            codes[(long long)slot * codeRow + byte] = (unsigned char)(code | other << 4);
        }
    }
    __syncthreads();
    double largest = 0;
    for (int slot = 0; slot < shape.blockTokens; slot++) {
        double sum = 0;
        for (int e = threadIdx.x; e < shape.headSize; e += THREADS) {
            double low = element<T>(shape, shadow.rangeBlock, kvHead, 2 * shadow.range, e);
            double scale = element<T>(shape, shadow.rangeBlock, kvHead, 2 * shadow.range + 1, e);
            int code = codeOf<BITS>(shape, codes + (long long)slot * codeRow, e);
            double residual = low + scale * code - element<T>(shape, blockId, kvHead, slot, e);
            sum += residual * residual;
        }
        largest = larger(largest, ctaSum(sum, parts));
    }
    if (threadIdx.x == 0) {
        reaches[(long long)index * shape.kvHeads + kvHead] = rounded(sqrt(largest));
    }
}

// Blocks whose shadows one CTA of shadow_values adds up.
__device__ inline int splitBlocks(const CacheShape& shape) {
    return max(1, VALUE_ROWS / shape.blockTokens);
}

// What one CTA of shadow_values reads.
struct ShadowSums {
    const int* codes;   // table of code blocks
    const int* ranges;  // table of range blocks
    const float* weights;  // [queryHeads][weightStride]
    const float* rest;     // [queryHeads][restStride]; above 0 where a block was not read
    const int* settled;    // [kvHeads]; not 0 where the output stays as it is
    int weightStride;
    int restStride;
};

// Sums a query head's weights times shadows over some of its unread blocks. Grid: (splits, query heads).
template <class T, int BITS>
__device__ inline void shadowValues(
        const CacheShape& shape, const ShadowSums& sums, const Count& count, float* partials, int splits) {
    int head = blockIdx.y;
    int kvHead = head / groupSize(shape);
    if (sums.settled[kvHead] != 0) {
        return;
    }
    int first = blockIdx.x * splitBlocks(shape);
    int last = min(valueOf(count), first + splitBlocks(shape));
    int codeRow = codeRowBytes<BITS>(shape);
    int perBlock = codesPerBlock<BITS>(shape);
    int rangesPerBlock = shape.blockTokens / 2;
    const float* rest = sums.rest + (long long)head * sums.restStride;
    float* to = partials + ((long long)head * splits + blockIdx.x) * shape.headSize;
    for (int byte = threadIdx.x; byte < codeRow && first < last; byte += THREADS) {
        bool two = BITS == 4 && byte + codeRow < shape.headSize;
        float sum = 0;
        float otherSum = 0;
        for (int block = first; block < last; block++) {
            if (!(rest[block] > 0)) {
                continue;
            }
            const unsigned char* codes =
                    codesAt<BITS>(shape, sums.codes[block / perBlock], block % perBlock, kvHead) + byte;
            const float* weights =
                    sums.weights + (long long)head * sums.weightStride + (long long)block * shape.blockTokens;
            float weight = 0;
            float coded = 0;
            float otherCoded = 0;
#pragma unroll 4
            for (int slot = 0; slot < shape.blockTokens; slot++) {
                int code = codes[(long long)slot * codeRow];
                weight += weights[slot];
                coded += weights[slot] * (BITS == 8 ? code : code & 15);
                otherCoded += weights[slot] * (code >> 4);
            }
            int range = block % rangesPerBlock;
            unsigned char* lows = rowAt(shape, sums.ranges[block / rangesPerBlock], kvHead, 2 * range);
            unsigned char* scales = lows + shape.rowBytes;
            sum += T::decode(elements<T>(lows)[byte]) * weight + T::decode(elements<T>(scales)[byte]) * coded;
            if (two) {
                otherSum += T::decode(elements<T>(lows)[byte + codeRow]) * weight
                        + T::decode(elements<T>(scales)[byte + codeRow]) * otherCoded;
            }
        }
        to[byte] = sum;
        if (two) {
            to[byte + codeRow] = otherSum;
        }
    }
}

// Adds the sums of all parts to the output. Grid: query heads.
extern "C" __global__ void __launch_bounds__(THREADS) merge_shadows(
        CacheShape shape, Count count, const float* partials, int splits, const int* settled, float* out) {
    if (settled[blockIdx.x / groupSize(shape)] != 0) {
        return;
    }
    int used = ceilDiv(valueOf(count), splitBlocks(shape));
    for (int element = threadIdx.x; element < shape.headSize; element += THREADS) {
        const float* from = partials + (long long)blockIdx.x * splits * shape.headSize + element;
        float sum = 0;
        for (int split = 0; split < used; split++) {
            sum += from[(long long)split * shape.headSize];
        }
        out[(long long)blockIdx.x * shape.headSize + element] += sum;
    }
}

#define REACHES(type, suffix)                                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS) reach_##suffix(                                           \
            CacheShape shape, int blockId, int summaryBlockId, int summarySlot, float* reaches, int index) {        \
        reach<type>(shape, blockId, summaryBlockId, summarySlot, reaches, index);                                   \
    }

#define SHADOWS(type, suffix, bits)                                                                                 \
    extern "C" __global__ void __launch_bounds__(THREADS) quantise_##suffix##_##bits(                               \
            CacheShape shape, int blockId, Shadow shadow, float* reaches, int index) {                              \
        quantise<type, bits>(shape, blockId, shadow, reaches, index);                                               \
    }                                                                                                               \
    extern "C" __global__ void __launch_bounds__(THREADS) shadow_values_##suffix##_##bits(                          \
            CacheShape shape, ShadowSums sums, Count count, float* partials, int splits) {                          \
        shadowValues<type, bits>(shape, sums, count, partials, splits);                                             \
    }

REACHES(F32, f32)
REACHES(F16, f16)
REACHES(BF16, bf16)
SHADOWS(F32, f32, 4)
SHADOWS(F32, f32, 8)
SHADOWS(F16, f16, 4)
SHADOWS(F16, f16, 8)
SHADOWS(BF16, bf16, 4)
SHADOWS(BF16, bf16, 8)
