// Exact softmax weights of one query over a sequence's K, in two launches.
//
// scores: a CTA computes the scores of SCORE_RANGE tokens for up to 8 query heads that share a KV head, so K is read
// once for all of them. K passes through shared memory, a panel of 128 bytes of each row at a time:
//
//   global memory   8 threads load 128 bytes of a row; a thread has 8 loads in flight
//   shared memory   keys [token][9 vectors]: 9 is odd, so 8 threads that read 8 rows meet all banks once
//   registers       a thread owns one token and all query heads; queries are broadcast
//
// Raw scores go to where the weights will be, and one (max, sum of exponentials) per range and query head to scratch.
// How the work is cut depends on the token count alone, not on the grid, so every launch gives the same bits.
//
// normalise: merges the ranges and turns scores into weights and block masses.
#include "elements.cuh"
#include "reduce.cuh"

constexpr int PANEL = 8;  // vectors of a row in shared memory at a time
constexpr int KEY_STRIDE = PANEL + 1;
constexpr int LOADS = SCORE_RANGE * PANEL / THREADS;

// The part of a panel that this thread loads, into registers.
__device__ inline void loadKeys(
        const CacheShape& shape, const int* table, int kvHead, int firstToken, int tokens, int panel, uint4* loaded) {
    int vector = panel + threadIdx.x % PANEL;
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        int token = firstToken + (i * THREADS + threadIdx.x) / PANEL;
        loaded[i] = zeroVector();
        if (token < tokens && vector < vectorsPerRow(shape)) {
            loaded[i] = reinterpret_cast<const uint4*>(slotRow(shape, table, token, kvHead))[vector];
        }
    }
}

// The same by elements, straight into shared memory.
template <class T>
__device__ inline void gatherKeys(
        const CacheShape& shape, const int* table, int kvHead, int firstToken, int tokens, int panel, uint4* keys) {
#pragma unroll 1
    for (int at = threadIdx.x; at < SCORE_RANGE * PANEL; at += THREADS) {
        int token = firstToken + at / PANEL;
        keys[at / PANEL * KEY_STRIDE + at % PANEL] = token < tokens
                ? gatherVector<T>(shape, slotRow(shape, table, token, kvHead), panel + at % PANEL)
                : zeroVector();
    }
}

template <class T, int HEADS>
__device__ inline void scores(
        const CacheShape& shape,
        const float* q,
        const int* table,
        const Count& count,
        float* weights,
        int stride,
        float2* partials,
        int ranges) {
    constexpr int ELEMENTS = PANEL * T::PER_VECTOR;
    __shared__ uint4 keys[SCORE_RANGE * KEY_STRIDE];
    __shared__ float4 queries[HEADS][ELEMENTS / 4];
    __shared__ float rangeScores[HEADS][SCORE_RANGE];
    int tokens = valueOf(count);
    int range = blockIdx.x;
    int firstToken = range * SCORE_RANGE;
    if (firstToken >= tokens) {
        return;
    }
    int chunks = ceilDiv(groupSize(shape), HEADS);
    int kvHead = blockIdx.y / chunks;
    int chunk = blockIdx.y % chunks;
    int firstHead = kvHead * groupSize(shape) + chunk * HEADS;
    int heads = min(HEADS, groupSize(shape) - chunk * HEADS);
    int vectors = vectorsPerRow(shape);
    int thread = threadIdx.x;
    int token = firstToken + thread;
    float dots[HEADS] = {};
    uint4 loaded[LOADS];
    bool whole = hasWholeVectors(shape);
    if (whole) {
        loadKeys(shape, table, kvHead, firstToken, tokens, 0, loaded);
    }
    for (int panel = 0; panel < vectors; panel += PANEL) {
        __syncthreads();
        if (whole) {
#pragma unroll
            for (int i = 0; i < LOADS; i++) {
                int at = i * THREADS + thread;
                keys[at / PANEL * KEY_STRIDE + at % PANEL] = loaded[i];
            }
        } else {
            gatherKeys<T>(shape, table, kvHead, firstToken, tokens, panel, keys);
        }
        for (int i = thread; i < HEADS * ELEMENTS; i += THREADS) {
            int head = i / ELEMENTS;
            int element = panel * T::PER_VECTOR + i % ELEMENTS;
            bool present = head < heads && element < shape.headSize;
            reinterpret_cast<float*>(queries[head])[i % ELEMENTS] =
                    present ? q[(firstHead + head) * shape.headSize + element] * shape.scale * T::UNFOLD : 0.0f;
        }
        __syncthreads();
        if (whole && panel + PANEL < vectors) {
            loadKeys(shape, table, kvHead, firstToken, tokens, panel + PANEL, loaded);
        }
        if (token >= tokens) {
            continue;
        }
#pragma unroll
        for (int vector = 0; vector < PANEL; vector++) {
            float key[T::PER_VECTOR];
            T::unpack(keys[thread * KEY_STRIDE + vector], key);
#pragma unroll
            for (int e = 0; e < T::PER_VECTOR; e += 4) {
#pragma unroll
                for (int head = 0; head < HEADS; head++) {
                    float4 query = queries[head][(vector * T::PER_VECTOR + e) / 4];
                    dots[head] += query.x * key[e] + query.y * key[e + 1] + query.z * key[e + 2] + query.w * key[e + 3];
                }
            }
        }
    }
#pragma unroll
    for (int head = 0; head < HEADS; head++) {
        rangeScores[head][thread] = token < tokens ? dots[head] : -INFINITY;
        if (head < heads && token < tokens) {
            weights[(long long)(firstHead + head) * stride + token] = dots[head];
        }
    }
    __syncthreads();
    for (int head = thread / WARP; head < heads; head += THREADS / WARP) {
        float largest = -INFINITY;
        for (int i = thread % WARP; i < SCORE_RANGE; i += WARP) {
            largest = fmaxf(largest, rangeScores[head][i]);
        }
        largest = warpMax(largest);
        float sum = 0;
        for (int i = thread % WARP; i < SCORE_RANGE; i += WARP) {
            sum += expf(rangeScores[head][i] - largest);
        }
        sum = warpSum(sum);
        if (thread % WARP == 0) {
            partials[(long long)(firstHead + head) * ranges + range] = float2{largest, sum};
        }
    }
}

// Largest score of a query head, and the sum of its exponentials relative to that.
__device__ inline float2 mergeRanges(const float2* partials, int ranges) {
    __shared__ float warpLargest[THREADS / WARP];
    __shared__ float warpParts[THREADS / WARP];
    float largest = -INFINITY;
    for (int range = threadIdx.x; range < ranges; range += THREADS) {
        largest = fmaxf(largest, partials[range].x);
    }
    largest = warpMax(largest);
    if (threadIdx.x % WARP == 0) {
        warpLargest[threadIdx.x / WARP] = largest;
    }
    __syncthreads();
    for (int warp = 0; warp < THREADS / WARP; warp++) {
        largest = fmaxf(largest, warpLargest[warp]);
    }
    float sum = 0;
    for (int range = threadIdx.x; range < ranges; range += THREADS) {
        float2 partial = partials[range];
        // An empty part has largest -infinity; -infinity minus itself would be NaN.
        sum += partial.y > 0 ? partial.y * expf(partial.x - largest) : 0.0f;
    }
    return float2{largest, ctaSum(sum, warpParts)};
}

// Grid: (ranges of NORMALISE_RANGE tokens, query heads). A warp takes 32 slots: some blocks, or a part of one.
extern "C" __global__ void __launch_bounds__(THREADS) normalise(
        CacheShape shape,
        Count count,
        float* weights,
        int stride,
        const float2* partials,
        int ranges,
        float* mass,
        int massStride,
        float* logSumExp) {
    int tokens = valueOf(count);
    int blocks = ceilDiv(tokens, shape.blockTokens);
    int firstBlock = blockIdx.x * (NORMALISE_RANGE / shape.blockTokens);
    if (firstBlock >= blocks) {
        return;
    }
    int head = blockIdx.y;
    float2 merged = mergeRanges(partials + (long long)head * ranges, ceilDiv(tokens, SCORE_RANGE));
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        logSumExp[head] = merged.x + logf(merged.y);
    }
    float inverse = 1.0f / merged.y;
    int span = min(shape.blockTokens, WARP);  // lanes that share a block
    int lane = threadIdx.x % WARP;
    int lastBlock = min(blocks, firstBlock + NORMALISE_RANGE / shape.blockTokens);
    int step = THREADS / span;
    for (int first = firstBlock; first < lastBlock; first += step) {
        int block = first + threadIdx.x / span;
        float sum = 0;
        for (int at = lane % span; at < shape.blockTokens && block < lastBlock; at += span) {
            int slot = block * shape.blockTokens + at;
            float* weight = weights + (long long)head * stride + slot;
            *weight = slot < tokens ? expf(*weight - merged.x) * inverse : 0.0f;
            sum += *weight;
        }
        for (int lanes = span / 2; lanes > 0; lanes /= 2) {
            sum += __shfl_xor_sync(ALL_LANES, sum, lanes);
        }
        if (lane % span == 0 && block < lastBlock) {
            mass[(long long)head * massStride + block] = sum;
        }
    }
}

// Grid: (ranges of SCORE_RANGE tokens, KV heads * chunks of the GQA group).
#define SCORES(type, suffix, heads)                                                          \
    extern "C" __global__ void __launch_bounds__(THREADS) scores_##suffix##_##heads(         \
            CacheShape shape,                                                                \
            const float* q,                                                                  \
            const int* table,                                                                \
            Count count,                                                                     \
            float* weights,                                                                  \
            int stride,                                                                      \
            float2* partials,                                                                \
            int ranges) {                                                                    \
        scores<type, heads>(shape, q, table, count, weights, stride, partials, ranges);      \
    }

SCORES(F32, f32, 1)
SCORES(F32, f32, 2)
SCORES(F32, f32, 4)
SCORES(F32, f32, 8)
SCORES(F16, f16, 1)
SCORES(F16, f16, 2)
SCORES(F16, f16, 4)
SCORES(F16, f16, 8)
SCORES(BF16, bf16, 1)
SCORES(BF16, bf16, 2)
SCORES(BF16, bf16, 4)
SCORES(BF16, bf16, 8)
