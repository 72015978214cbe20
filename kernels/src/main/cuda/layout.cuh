// Where things lie in device memory: the kernels' side of io.kvmanager.CacheGeometry, and what launches and kernels
// agree on. The kernel `layout` lets a test compare the two sides.
//
//   block = [kvHead][slot][headSize]     one layer, K or V, blockTokens slots
//   tile  = [slot][headSize]             one KV head's slice of a block
//   tile index = blockId * kvHeads + kvHead; a slab is an array of tiles
//
// Slots are logical: slot s of a table is slot s % blockTokens of block table[s / blockTokens].
#pragma once

constexpr int ABSENT = -1;        // a table entry without a block, home or tile slot
constexpr int THREADS = 128;      // threads of a CTA unless a kernel says otherwise
constexpr int WARP = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;
constexpr int VECTOR_BYTES = 16;  // one load of one thread

constexpr int SCORE_RANGE = 128;       // tokens whose scores one CTA computes; one partial (max, sum) each
constexpr int NORMALISE_RANGE = 1024;  // tokens that one CTA turns from scores into weights
constexpr int VALUE_ROWS = 256;        // rows of V that one CTA sums up; one partial sum each
constexpr int VALUE_COLUMNS = 32;      // vectors of a row that one CTA of `values` covers
constexpr int PROMPT_ROWS = 32;        // queries of a prompt that one CTA attends for
constexpr int PROMPT_COLUMNS = 128;    // elements of their output that it computes
constexpr int SCORED_COLUMNS = 16;     // slots that one CTA of `column_scores` covers
constexpr int MAX_INT_WRITES = 320;    // table entries that one launch can set: parameters are 4 KiB at most
constexpr int MAX_PIECES = 250;        // blocks that one launch can load
constexpr int MAX_HOMES = 960;         // homes that one launch can invalidate

// The shape of a slab. 40 bytes.
struct CacheShape {
    unsigned char* slab;
    int queryHeads;
    int kvHeads;
    int headSize;
    int blockTokens;
    int slotShift;  // log2 of blockTokens
    int rowBytes;   // bytes of one token's row of one KV head
    int tileBytes;
    float scale;    // 1 / sqrt(headSize)
};

// A number that a launch carries, or that a kernel reads when it runs. 16 bytes.
struct Count {
    const int* memory;  // null: value counts
    int value;
};

// A list of value tiles per KV head, as io.kvmanager.spi.TileList has it. 32 bytes.
struct Tiles {
    int* counts;   // [kvHeads]
    int* blocks;   // [kvHeads][capacity]
    int* tiles;    // [kvHeads][capacity]
    int capacity;
};

__device__ inline int valueOf(const Count& count) {
    return count.memory == nullptr ? count.value : *count.memory;
}

__device__ inline int groupSize(const CacheShape& shape) {
    return shape.queryHeads / shape.kvHeads;
}

__device__ inline int ceilDiv(int a, int b) {
    return (a + b - 1) / b;
}

__device__ inline int tileIndex(const CacheShape& shape, int blockId, int kvHead) {
    return blockId * shape.kvHeads + kvHead;
}

__device__ inline unsigned char* tileAt(const CacheShape& shape, int tile) {
    return shape.slab + (long long)tile * shape.tileBytes;
}

__device__ inline unsigned char* rowAt(const CacheShape& shape, int blockId, int kvHead, int slot) {
    return tileAt(shape, tileIndex(shape, blockId, kvHead)) + (long long)slot * shape.rowBytes;
}

// The row of a logical slot.
__device__ inline unsigned char* slotRow(const CacheShape& shape, const int* table, int slot, int kvHead) {
    return rowAt(shape, table[slot >> shape.slotShift], kvHead, slot & (shape.blockTokens - 1));
}
