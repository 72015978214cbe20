// Everything that only copies or converts: blocks, rows, table entries.
#include "copy.cuh"
#include "elements.cuh"

__device__ inline int blockBytes(const CacheShape& shape) {
    return shape.kvHeads * shape.tileBytes;
}

__device__ inline int threadOfGrid() {
    return blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ inline int threadsOfGrid() {
    return gridDim.x * blockDim.x;
}

extern "C" __global__ void __launch_bounds__(THREADS) zero_block(CacheShape shape, int blockId) {
    zeroBytes(tileAt(shape, tileIndex(shape, blockId, 0)), blockBytes(shape), threadOfGrid(), threadsOfGrid());
}

extern "C" __global__ void __launch_bounds__(THREADS) copy_block(CacheShape shape, int from, int to) {
    copyBytes(
            tileAt(shape, tileIndex(shape, from, 0)),
            tileAt(shape, tileIndex(shape, to, 0)),
            blockBytes(shape),
            threadOfGrid(),
            threadsOfGrid());
}

// One tile of mapped host memory.
extern "C" __global__ void __launch_bounds__(THREADS) load_tile(CacheShape shape, const unsigned char* from, int tile) {
    copyBytes(from, tileAt(shape, tile), shape.tileBytes, threadOfGrid(), threadsOfGrid());
}

// Blocks of mapped host memory, all of one size. Grid: (any, blocks); a row of CTAs copies one block.
struct Pieces {
    int bytes;
    const unsigned char* from[MAX_PIECES];
    unsigned char* to[MAX_PIECES];
};

extern "C" __global__ void __launch_bounds__(THREADS) load_pieces(const Pieces pieces) {
    copyBytes(
            pieces.from[blockIdx.y],
            pieces.to[blockIdx.y],
            pieces.bytes,
            threadOfGrid(),
            threadsOfGrid());
}

// Stores the rows that end at slot end * endScale. Grid: (rows, KV heads).
template <class T>
__device__ inline void append(
        const CacheShape& shape, const int* table, const Count& end, int endScale, const float* rows, int count) {
    int slot = valueOf(end) * endScale - count + blockIdx.x;
    typename T::Stored* to = reinterpret_cast<typename T::Stored*>(slotRow(shape, table, slot, blockIdx.y));
    const float* from = rows + ((long long)blockIdx.x * shape.kvHeads + blockIdx.y) * shape.headSize;
    for (int element = threadIdx.x; element < shape.headSize; element += blockDim.x) {
        to[element] = T::encode(from[element]);
    }
}

// Reads rows back. Grid: (rows, KV heads).
template <class T>
__device__ inline void readRows(const CacheShape& shape, const int* table, int firstSlot, float* rows) {
    const typename T::Stored* from =
            reinterpret_cast<const typename T::Stored*>(slotRow(shape, table, firstSlot + blockIdx.x, blockIdx.y));
    float* to = rows + ((long long)blockIdx.x * shape.kvHeads + blockIdx.y) * shape.headSize;
    for (int element = threadIdx.x; element < shape.headSize; element += blockDim.x) {
        to[element] = T::decode(from[element]);
    }
}

// Writes the mean of a block's rows as one row of another block. Grid: KV heads.
template <class T>
__device__ inline void summarise(const CacheShape& shape, int blockId, int summaryBlockId, int summarySlot) {
    typename T::Stored* to =
            reinterpret_cast<typename T::Stored*>(rowAt(shape, summaryBlockId, blockIdx.x, summarySlot));
    for (int element = threadIdx.x; element < shape.headSize; element += blockDim.x) {
        double sum = 0;
        for (int slot = 0; slot < shape.blockTokens; slot++) {
            const unsigned char* row = rowAt(shape, blockId, blockIdx.x, slot);
            sum += T::decode(reinterpret_cast<const typename T::Stored*>(row)[element]);
        }
        to[element] = T::encode((float)(sum / shape.blockTokens));
    }
}

// Stores the log-sum-exp of a remembered query: entry end-1 of [entries][queryHeads].
extern "C" __global__ void __launch_bounds__(THREADS) remember_statistics(
        CacheShape shape, Count end, const float* statistics, float* logSumExp) {
    float* to = logSumExp + (long long)(valueOf(end) - 1) * shape.queryHeads;
    for (int head = threadIdx.x; head < shape.queryHeads; head += THREADS) {
        to[head] = statistics[head];
    }
}

// Moves rows together: slot kept[i] of one table becomes slot firstSlot + i of the other, kept ascending and
// kept[i] >= firstSlot + i. Where the tables are the same, a write may hit the source of an earlier row, never that
// of a later one: a CTA reads a batch of rows, waits, and writes it. Columns do not touch each other. Grid:
// (columns of 4 units, KV heads).
template <class Unit>
__device__ inline void compact(
        const CacheShape& shape, const int* fromTable, const int* toTable, const int* kept, int firstSlot, int count) {
    constexpr int COLUMNS = 4;
    constexpr int BATCH = 4;  // rows of a thread
    constexpr int ROWS = THREADS / COLUMNS * BATCH;
    int units = shape.rowBytes / (int)sizeof(Unit);
    int column = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
    int thread = threadIdx.x / COLUMNS;
    for (int first = 0; first < count; first += ROWS) {
        Unit read[BATCH];
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            int row = first + i * (THREADS / COLUMNS) + thread;
            if (row < count && column < units) {
                read[i] = reinterpret_cast<const Unit*>(slotRow(shape, fromTable, kept[row], blockIdx.y))[column];
            }
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            int row = first + i * (THREADS / COLUMNS) + thread;
            if (row < count && column < units) {
                reinterpret_cast<Unit*>(slotRow(shape, toTable, firstSlot + row, blockIdx.y))[column] = read[i];
            }
        }
        __syncthreads();
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) compact_16(
        CacheShape shape, const int* fromTable, const int* toTable, const int* kept, int firstSlot, int count) {
    compact<uint4>(shape, fromTable, toTable, kept, firstSlot, count);
}

extern "C" __global__ void __launch_bounds__(THREADS) compact_2(
        CacheShape shape, const int* fromTable, const int* toTable, const int* kept, int firstSlot, int count) {
    compact<unsigned short>(shape, fromTable, toTable, kept, firstSlot, count);
}

// Table entries that the host has set. The parameters carry them, so there is no buffer that could change before the
// launch runs. A thread takes the entries of its addresses in order: of two writes to one entry, the later one stays.
struct IntWrites {
    int count;
    int values[MAX_INT_WRITES];
    int* addresses[MAX_INT_WRITES];
};

extern "C" __global__ void __launch_bounds__(WARP) write_ints(const IntWrites writes) {
    for (int i = 0; i < writes.count; i++) {
        int* address = writes.addresses[i];
        if ((reinterpret_cast<unsigned long long>(address) / sizeof(int)) % WARP == threadIdx.x) {
            *address = writes.values[i];
        }
    }
}

// What the kernels believe about a shape and the constants that launches depend on, for comparison with the host's
// side.
extern "C" __global__ void layout(CacheShape shape, int blockId, int kvHead, int slot, long long* out) {
    long long facts[] = {
        (long long)sizeof(CacheShape),
        (long long)sizeof(Count),
        (long long)sizeof(Tiles),
        (long long)sizeof(IntWrites),
        (long long)sizeof(Pieces),
        tileIndex(shape, blockId, kvHead),
        rowAt(shape, blockId, kvHead, slot) - shape.slab,
        blockBytes(shape),
        groupSize(shape),
        1ll << shape.slotShift,
        SCORE_RANGE,
        NORMALISE_RANGE,
        VALUE_ROWS,
        VALUE_COLUMNS,
        PROMPT_ROWS,
        PROMPT_COLUMNS,
        SCORED_COLUMNS,
        MAX_INT_WRITES,
        MAX_PIECES,
        MAX_HOMES,
    };
    for (int i = 0; i < (int)(sizeof(facts) / sizeof(facts[0])); i++) {
        out[i] = facts[i];
    }
}

#define ROWS(type, suffix)                                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS) append_##suffix(                                        \
            CacheShape shape, const int* table, Count end, int endScale, const float* rows, int count) {          \
        append<type>(shape, table, end, endScale, rows, count);                                                   \
    }                                                                                                             \
    extern "C" __global__ void __launch_bounds__(THREADS) read_##suffix(                                          \
            CacheShape shape, const int* table, int firstSlot, float* rows) {                                     \
        readRows<type>(shape, table, firstSlot, rows);                                                            \
    }                                                                                                             \
    extern "C" __global__ void __launch_bounds__(THREADS) summarise_##suffix(                                     \
            CacheShape shape, int blockId, int summaryBlockId, int summarySlot) {                                 \
        summarise<type>(shape, blockId, summaryBlockId, summarySlot);                                             \
    }

ROWS(F32, f32)
ROWS(F16, f16)
ROWS(BF16, bf16)
