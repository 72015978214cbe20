// Weighted sums over listed tiles of V, and what follows them.
//
// values: a CTA sums up VALUE_ROWS rows for up to 8 query heads that share a KV head. A thread owns one vector (16
// bytes) of the row and every n-th row; the weights of these rows wait in shared memory. The partial sums of a
// CTA's threads are added in shared memory, and go to scratch:
//
//   partials [queryHeads][splits][headSize]
//
// merge_values adds them in the order of the list. Where no scratch is given (partials is null), the grid has one
// split, and a CTA goes through the whole list itself.
//
// Whatever changes an output leaves those of settled KV heads as they are (see certificate.cu).
#include "elements.cuh"
#include "reduce.cuh"

constexpr int UNROLL = 4;  // rows that a thread has in flight

struct Weights {
    const float* rows;  // [queryHeads][stride]
    int stride;
};

// Whether a KV head's outputs stay as they are. [kvHeads]; none do where it is null.
__device__ inline bool isSettled(const int* settled, int kvHead) {
    return settled != nullptr && settled[kvHead] != 0;
}

// What one CTA sums up: entries first..last-1 of a KV head's list, for some query heads.
struct Share {
    int kvHead;
    int firstHead;
    int heads;
    int first;
    int last;
};

// Brings the tiles and weights of the rows first..first+count-1 of a share to shared memory.
template <class T, int HEADS>
__device__ inline void stageWeights(
        const CacheShape& shape,
        const Weights& weights,
        const Tiles& list,
        const Share& share,
        int first,
        int count,
        float (*staged)[HEADS],
        int* tiles) {
    long long entries = (long long)share.kvHead * list.capacity + share.first;
    for (int i = threadIdx.x; i < HEADS * VALUE_ROWS; i += THREADS) {
        int head = i / VALUE_ROWS;
        int row = i % VALUE_ROWS;
        float weight = 0;
        if (row < count && head < share.heads) {
            int entry = (first + row) >> shape.slotShift;
            int slot = (first + row) & (shape.blockTokens - 1);
            long long at = (long long)list.blocks[entries + entry] * shape.blockTokens + slot;
            weight = weights.rows[(long long)(share.firstHead + head) * weights.stride + at] * T::UNFOLD;
        }
        staged[row][head] = weight;
    }
    for (int row = threadIdx.x; row < count; row += THREADS) {
        tiles[row] = list.tiles[entries + ((first + row) >> shape.slotShift)];
    }
}

template <class T, int HEADS>
__device__ inline void addVector(const uint4& vector, const float* weights, float (*sums)[T::PER_VECTOR]) {
    float value[T::PER_VECTOR];
    T::unpack(vector, value);
#pragma unroll
    for (int head = 0; head < HEADS; head++) {
#pragma unroll
        for (int e = 0; e < T::PER_VECTOR; e++) {
            sums[head][e] += weights[head] * value[e];
        }
    }
}

template <class T, int HEADS>
__device__ inline void values(
        const CacheShape& shape,
        const Weights& weights,
        const Tiles& list,
        const int* settled,
        float* partials,
        int splits,
        float* out,
        int accumulate) {
    __shared__ float staged[VALUE_ROWS][HEADS];
    __shared__ int tiles[VALUE_ROWS];
    __shared__ float columnSums[THREADS][T::PER_VECTOR];
    int chunks = ceilDiv(groupSize(shape), HEADS);
    int splitEntries = max(1, VALUE_ROWS / shape.blockTokens);
    Share share;
    share.kvHead = blockIdx.y / chunks;
    if (isSettled(settled, share.kvHead)) {
        return;
    }
    int chunk = blockIdx.y % chunks;
    share.firstHead = share.kvHead * groupSize(shape) + chunk * HEADS;
    share.heads = min(HEADS, groupSize(shape) - chunk * HEADS);
    int entries = list.counts[share.kvHead];
    share.first = partials == nullptr ? 0 : blockIdx.x * splitEntries;
    share.last = partials == nullptr ? entries : min(entries, share.first + splitEntries);
    if (partials != nullptr && share.first >= entries) {
        return;
    }
    int firstColumn = blockIdx.z * VALUE_COLUMNS;
    int columns = min(VALUE_COLUMNS, vectorsPerRow(shape) - firstColumn);
    int rowThreads = THREADS / columns;  // threads that share a column, each with rows of its own
    int column = threadIdx.x % columns;
    int firstRow = threadIdx.x / columns;
    bool whole = hasWholeVectors(shape);
    float sums[HEADS][T::PER_VECTOR] = {};
    int rows = (share.last - share.first) * shape.blockTokens;
    for (int first = 0; first < rows; first += VALUE_ROWS) {
        int count = min(VALUE_ROWS, rows - first);
        __syncthreads();
        stageWeights<T, HEADS>(shape, weights, list, share, first, count, staged, tiles);
        __syncthreads();
        if (firstRow >= rowThreads) {
            continue;  // threads left over: the barriers count them too
        }
        int row = firstRow;
        for (; whole && row + (UNROLL - 1) * rowThreads < count; row += UNROLL * rowThreads) {
            uint4 vectors[UNROLL];
#pragma unroll
            for (int i = 0; i < UNROLL; i++) {
                int at = row + i * rowThreads;
                const unsigned char* stored = tileAt(shape, tiles[at])
                        + (long long)((first + at) & (shape.blockTokens - 1)) * shape.rowBytes;
                vectors[i] = reinterpret_cast<const uint4*>(stored)[firstColumn + column];
            }
#pragma unroll
            for (int i = 0; i < UNROLL; i++) {
                addVector<T, HEADS>(vectors[i], staged[row + i * rowThreads], sums);
            }
        }
#pragma unroll 1
        for (; row < count; row += rowThreads) {
            const unsigned char* stored =
                    tileAt(shape, tiles[row]) + (long long)((first + row) & (shape.blockTokens - 1)) * shape.rowBytes;
            uint4 vector = whole ? reinterpret_cast<const uint4*>(stored)[firstColumn + column]
                                 : gatherVector<T>(shape, stored, firstColumn + column);
            addVector<T, HEADS>(vector, staged[row], sums);
        }
    }
#pragma unroll
    for (int head = 0; head < HEADS; head++) {
        __syncthreads();
#pragma unroll
        for (int e = 0; e < T::PER_VECTOR; e++) {
            columnSums[threadIdx.x][e] = sums[head][e];
        }
        __syncthreads();
        for (int i = threadIdx.x; i < columns * T::PER_VECTOR && head < share.heads; i += THREADS) {
            int element = firstColumn * T::PER_VECTOR + i;
            float sum = 0;
            for (int part = 0; part < rowThreads; part++) {
                sum += columnSums[part * columns + i / T::PER_VECTOR][i % T::PER_VECTOR];
            }
            if (element < shape.headSize) {
                long long queryHead = share.firstHead + head;
                if (partials != nullptr) {
                    partials[(queryHead * splits + blockIdx.x) * shape.headSize + element] = sum;
                } else {
                    float* to = out + queryHead * shape.headSize + element;
                    *to = accumulate ? *to + sum : sum;
                }
            }
        }
    }
}

// Grid: query heads.
extern "C" __global__ void __launch_bounds__(THREADS) merge_values(
        CacheShape shape,
        Tiles list,
        const int* settled,
        const float* partials,
        int splits,
        float* out,
        int accumulate) {
    int head = blockIdx.x;
    if (isSettled(settled, head / groupSize(shape))) {
        return;
    }
    int used = ceilDiv(list.counts[head / groupSize(shape)], max(1, VALUE_ROWS / shape.blockTokens));
    for (int element = threadIdx.x; element < shape.headSize; element += THREADS) {
        const float* from = partials + (long long)head * splits * shape.headSize + element;
        float* to = out + (long long)head * shape.headSize + element;
        float sum = accumulate ? *to : 0.0f;
#pragma unroll 8
        for (int split = 0; split < used; split++) {
            sum += from[(long long)split * shape.headSize];
        }
        *to = sum;
    }
}

// Divides each query head's output by the mass that was read. Grid: query heads.
extern "C" __global__ void __launch_bounds__(THREADS) renormalise(
        CacheShape shape, const float* rest, int stride, Count count, const int* settled, float* out) {
    __shared__ double parts[THREADS / WARP];
    if (isSettled(settled, blockIdx.x / groupSize(shape))) {
        return;
    }
    int blocks = valueOf(count);
    double missed = 0;
    for (int block = threadIdx.x; block < blocks; block += THREADS) {
        missed += rest[(long long)blockIdx.x * stride + block];
    }
    missed = ctaSum(missed, parts);
    float factor = (float)(1 / max(1e-6, 1 - missed));
    for (int element = threadIdx.x; element < shape.headSize; element += THREADS) {
        out[(long long)blockIdx.x * shape.headSize + element] *= factor;
    }
}

// Lists every KV head's tile of a table's first blocks, absent ones left out, in ascending order. Grid: KV heads.
extern "C" __global__ void __launch_bounds__(THREADS) list_tiles(
        CacheShape shape, const int* table, Count count, Tiles list) {
    __shared__ int parts[THREADS / WARP];
    int kvHead = blockIdx.x;
    int blocks = valueOf(count);
    int listed = 0;
    for (int first = 0; first < blocks; first += THREADS) {
        int block = first + threadIdx.x;
        int id = block < blocks ? table[block] : ABSENT;
        Rank rank = ctaRank(id != ABSENT, parts);
        if (id != ABSENT) {
            long long at = (long long)kvHead * list.capacity + listed + rank.before;
            list.blocks[at] = block;
            list.tiles[at] = tileIndex(shape, id, kvHead);
        }
        listed += rank.all;
    }
    if (threadIdx.x == 0) {
        list.counts[kvHead] = listed;
    }
}

// Grid: (splits of VALUE_ROWS rows, KV heads * chunks of the GQA group, ranges of VALUE_COLUMNS vectors).
#define VALUES(type, suffix, heads)                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS) values_##suffix##_##heads(           \
            CacheShape shape,                                                                  \
            Weights weights,                                                                   \
            Tiles list,                                                                        \
            const int* settled,                                                                \
            float* partials,                                                                   \
            int splits,                                                                        \
            float* out,                                                                        \
            int accumulate) {                                                                  \
        values<type, heads>(shape, weights, list, settled, partials, splits, out, accumulate); \
    }

VALUES(F32, f32, 1)
VALUES(F32, f32, 2)
VALUES(F32, f32, 4)
VALUES(F32, f32, 8)
VALUES(F16, f16, 1)
VALUES(F16, f16, 2)
VALUES(F16, f16, 4)
VALUES(F16, f16, 8)
VALUES(BF16, bf16, 1)
VALUES(BF16, bf16, 2)
VALUES(BF16, bf16, 4)
VALUES(BF16, bf16, 8)
