// Attention of many queries: a prompt's causal attention, and the attention that given queries pay to columns of K.
#include "elements.cuh"

constexpr int PROMPT_KEYS = 32;  // keys that a CTA looks at together
constexpr int DEPTH = 32;        // elements of a dot product in shared memory at a time
constexpr int SIDE = 16;         // a CTA's threads are 8 rows of SIDE
constexpr int ROWS_OF_THREAD = PROMPT_ROWS * SIDE / THREADS;
constexpr int KEYS_OF_THREAD = PROMPT_KEYS / SIDE;
constexpr int COLUMNS_OF_THREAD = PROMPT_COLUMNS / SIDE;

// Causal attention: query r sees slots 0..firstSlot+r. One CTA per (PROMPT_ROWS queries, query head, PROMPT_COLUMNS
// elements of the output). It goes through K and V once, with a running maximum and sum per query (the online
// softmax of Milakov and Gimelshein, arXiv 1805.02867):
//
//   1. s = q . k * scale for PROMPT_ROWS x PROMPT_KEYS pairs, -infinity where the query may not look
//   2. m' = max(m, max s); what was summed so far shrinks by exp(m - m')
//   3. p = exp(s - m'), to shared memory; sum += p; out += p * v
template <class T>
__device__ inline void attendPrompt(
        const CacheShape& shape,
        const float* q,
        int rows,
        int firstSlot,
        const int* keyTable,
        const int* valueTable,
        float* out,
        float* logSumExp) {
    typedef typename T::Stored Stored;
    __shared__ float queries[PROMPT_ROWS][DEPTH + 1];
    __shared__ float keys[PROMPT_KEYS][DEPTH + 1];
    __shared__ float shares[PROMPT_ROWS][PROMPT_KEYS + 1];
    __shared__ float values[PROMPT_KEYS][PROMPT_COLUMNS];
    int firstRow = blockIdx.x * PROMPT_ROWS;
    int head = blockIdx.y;
    int firstColumn = blockIdx.z * PROMPT_COLUMNS;
    int kvHead = head / groupSize(shape);
    int across = threadIdx.x % SIDE;
    int ownRow = threadIdx.x / SIDE * ROWS_OF_THREAD;
    int lastSlot = firstSlot + min(firstRow + PROMPT_ROWS, rows) - 1;
    float largest[ROWS_OF_THREAD];
    float sums[ROWS_OF_THREAD];
    float attended[ROWS_OF_THREAD][COLUMNS_OF_THREAD] = {};
#pragma unroll
    for (int r = 0; r < ROWS_OF_THREAD; r++) {
        largest[r] = -INFINITY;
        sums[r] = 0;
    }
    for (int first = 0; first <= lastSlot; first += PROMPT_KEYS) {
        float s[ROWS_OF_THREAD][KEYS_OF_THREAD] = {};
        for (int depth = 0; depth < shape.headSize; depth += DEPTH) {
            __syncthreads();
            for (int i = threadIdx.x; i < PROMPT_ROWS * DEPTH; i += THREADS) {
                int row = firstRow + i / DEPTH;
                int element = depth + i % DEPTH;
                bool present = row < rows && element < shape.headSize;
                long long at = ((long long)row * shape.queryHeads + head) * shape.headSize + element;
                queries[i / DEPTH][i % DEPTH] = present ? q[at] * shape.scale : 0.0f;
            }
            for (int i = threadIdx.x; i < PROMPT_KEYS * DEPTH; i += THREADS) {
                int slot = first + i / DEPTH;
                int element = depth + i % DEPTH;
                bool present = slot <= lastSlot && element < shape.headSize;
                keys[i / DEPTH][i % DEPTH] = present
                        ? T::decode(reinterpret_cast<const Stored*>(slotRow(shape, keyTable, slot, kvHead))[element])
                        : 0.0f;
            }
            __syncthreads();
#pragma unroll 8
            for (int e = 0; e < DEPTH && firstRow + ownRow < rows; e++) {
#pragma unroll
                for (int k = 0; k < KEYS_OF_THREAD; k++) {
                    float key = keys[across + k * SIDE][e];
#pragma unroll
                    for (int r = 0; r < ROWS_OF_THREAD; r++) {
                        s[r][k] += queries[ownRow + r][e] * key;
                    }
                }
            }
        }
        for (int i = threadIdx.x; i < PROMPT_KEYS * PROMPT_COLUMNS; i += THREADS) {
            int slot = first + i / PROMPT_COLUMNS;
            int element = firstColumn + i % PROMPT_COLUMNS;
            bool present = slot <= lastSlot && element < shape.headSize;
            values[i / PROMPT_COLUMNS][i % PROMPT_COLUMNS] = present
                    ? T::decode(reinterpret_cast<const Stored*>(slotRow(shape, valueTable, slot, kvHead))[element])
                    : 0.0f;
        }
#pragma unroll
        for (int r = 0; r < ROWS_OF_THREAD; r++) {
            int visible = firstSlot + min(firstRow + ownRow + r, rows - 1);
            float best = largest[r];
#pragma unroll
            for (int k = 0; k < KEYS_OF_THREAD; k++) {
                s[r][k] = first + across + k * SIDE <= visible ? s[r][k] : -INFINITY;
                best = fmaxf(best, s[r][k]);
            }
            for (int lanes = SIDE / 2; lanes > 0; lanes /= 2) {
                best = fmaxf(best, __shfl_xor_sync(ALL_LANES, best, lanes, SIDE));
            }
            float shrink = expf(largest[r] - best);  // slot 0 is visible to all: best is finite from the first round on
            largest[r] = best;
            sums[r] *= shrink;
#pragma unroll
            for (int c = 0; c < COLUMNS_OF_THREAD; c++) {
                attended[r][c] *= shrink;
            }
#pragma unroll
            for (int k = 0; k < KEYS_OF_THREAD; k++) {
                float share = expf(s[r][k] - best);
                sums[r] += share;
                shares[ownRow + r][across + k * SIDE] = share;
            }
        }
        __syncthreads();
#pragma unroll 4
        for (int k = 0; k < PROMPT_KEYS && firstRow + ownRow < rows; k++) {
#pragma unroll
            for (int c = 0; c < COLUMNS_OF_THREAD; c++) {
                float value = values[k][across + c * SIDE];
#pragma unroll
                for (int r = 0; r < ROWS_OF_THREAD; r++) {
                    attended[r][c] += shares[ownRow + r][k] * value;
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS_OF_THREAD; r++) {
        float sum = sums[r];
        for (int lanes = SIDE / 2; lanes > 0; lanes /= 2) {
            sum += __shfl_xor_sync(ALL_LANES, sum, lanes, SIDE);
        }
        int row = firstRow + ownRow + r;
        if (row < rows) {
            long long query = (long long)row * shape.queryHeads + head;
            if (across == 0 && blockIdx.z == 0) {
                logSumExp[query] = largest[r] + logf(sum);
            }
#pragma unroll
            for (int c = 0; c < COLUMNS_OF_THREAD; c++) {
                int element = firstColumn + across + c * SIDE;
                if (element < shape.headSize) {
                    out[query * shape.headSize + element] = attended[r][c] / sum;
                }
            }
        }
    }
}

constexpr int QUERY_THREADS = THREADS / SCORED_COLUMNS;
constexpr int QUERIES_OF_THREAD = 4;
constexpr int QUERY_BATCH = QUERY_THREADS * QUERIES_OF_THREAD;
constexpr int SCORED_DEPTH = 64;

// out[c] = sum over rows r of rowWeights[r] * mean over query heads of exp(q[r] . k[c] - logSumExp[r]). A thread
// owns one column and some queries. Grid: ranges of SCORED_COLUMNS columns.
template <class T>
__device__ inline void columnScores(
        const CacheShape& shape,
        const float* q,
        const float* logSumExp,
        const float* rowWeights,
        int rows,
        const int* keyTable,
        int firstSlot,
        int count,
        float* out) {
    typedef typename T::Stored Stored;
    __shared__ float keys[SCORED_COLUMNS][SCORED_DEPTH + 1];
    __shared__ float queries[QUERY_BATCH][SCORED_DEPTH];
    __shared__ double sums[QUERY_THREADS][SCORED_COLUMNS];
    int firstColumn = blockIdx.x * SCORED_COLUMNS;
    int column = threadIdx.x % SCORED_COLUMNS;
    int ownQuery = threadIdx.x / SCORED_COLUMNS;
    int group = groupSize(shape);
    double total = 0;
    for (int kvHead = 0; kvHead < shape.kvHeads; kvHead++) {
        for (int first = 0; first < rows * group; first += QUERY_BATCH) {
            float dots[QUERIES_OF_THREAD] = {};
            for (int depth = 0; depth < shape.headSize; depth += SCORED_DEPTH) {
                __syncthreads();
                for (int i = threadIdx.x; i < SCORED_COLUMNS * SCORED_DEPTH; i += THREADS) {
                    int at = firstColumn + i / SCORED_DEPTH;
                    int element = depth + i % SCORED_DEPTH;
                    bool present = at < count && element < shape.headSize;
                    keys[i / SCORED_DEPTH][i % SCORED_DEPTH] = present
                            ? T::decode(reinterpret_cast<const Stored*>(
                                      slotRow(shape, keyTable, firstSlot + at, kvHead))[element])
                            : 0.0f;
                }
                for (int i = threadIdx.x; i < QUERY_BATCH * SCORED_DEPTH; i += THREADS) {
                    int query = first + i / SCORED_DEPTH;
                    int element = depth + i % SCORED_DEPTH;
                    bool present = query < rows * group && element < shape.headSize;
                    long long row = (long long)(query / group) * shape.queryHeads + kvHead * group + query % group;
                    queries[i / SCORED_DEPTH][i % SCORED_DEPTH] = present ? q[row * shape.headSize + element] : 0.0f;
                }
                __syncthreads();
#pragma unroll 8
                for (int e = 0; e < SCORED_DEPTH; e++) {
                    float key = keys[column][e];
#pragma unroll
                    for (int i = 0; i < QUERIES_OF_THREAD; i++) {
                        dots[i] += queries[ownQuery + i * QUERY_THREADS][e] * key;
                    }
                }
            }
#pragma unroll
            for (int i = 0; i < QUERIES_OF_THREAD; i++) {
                int query = first + ownQuery + i * QUERY_THREADS;
                if (query < rows * group) {
                    int row = query / group;
                    float statistic = logSumExp[(long long)row * shape.queryHeads + kvHead * group + query % group];
                    total += (double)rowWeights[row] * expf(dots[i] * shape.scale - statistic);
                }
            }
        }
    }
    sums[ownQuery][column] = total;
    __syncthreads();
    if (ownQuery == 0 && firstColumn + column < count) {
        for (int other = 1; other < QUERY_THREADS; other++) {
            total += sums[other][column];
        }
        out[firstColumn + column] = (float)(total / shape.queryHeads);
    }
}

#define PROMPT(type, suffix)                                                                                \
    extern "C" __global__ void __launch_bounds__(THREADS) attend_prompt_##suffix(                           \
            CacheShape shape,                                                                               \
            const float* q,                                                                                 \
            int rows,                                                                                       \
            int firstSlot,                                                                                  \
            const int* keyTable,                                                                            \
            const int* valueTable,                                                                          \
            float* out,                                                                                     \
            float* logSumExp) {                                                                             \
        attendPrompt<type>(shape, q, rows, firstSlot, keyTable, valueTable, out, logSumExp);                \
    }                                                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS) column_scores_##suffix(                           \
            CacheShape shape,                                                                               \
            const float* q,                                                                                 \
            const float* logSumExp,                                                                         \
            const float* rowWeights,                                                                        \
            int rows,                                                                                       \
            const int* keyTable,                                                                            \
            int firstSlot,                                                                                  \
            int count,                                                                                      \
            float* out) {                                                                                   \
        columnScores<type>(shape, q, logSumExp, rowWeights, rows, keyTable, firstSlot, count, out);         \
    }

PROMPT(F32, f32)
PROMPT(F16, f16)
PROMPT(BF16, bf16)
