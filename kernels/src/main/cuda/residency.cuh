// What the launches of a choice of tiles share. See selection.cu.
#pragma once

#include "layout.cuh"

constexpr int CHOOSERS = 256;  // threads of choose, refine, account, assign and invalidate
constexpr double MASS_UNIT = 0x1p54;  // masses are summed up as integers: the same in any order

constexpr unsigned READ = 0xffffffffu;  // the key of a block that a KV head reads

typedef unsigned long long Mass;
constexpr Mass ENDLESS = ~0ull;  // a need that no mass meets: only the limit ends the choice

// The tables of a tile cache, as io.kvmanager.spi.TileResidency lays them out. 72 bytes.
struct Residency {
    const unsigned char* store;  // [homes][blockBytes] in mapped host memory
    int* slotOfTile;             // [homes * kvHeads]
    int* tileOfSlot;             // [slots]
    int* referenced;             // [slots]
    unsigned* stamp;             // [slots]
    int* freeSlots;              // [slots], a stack
    const int* blocks;           // [slots / kvHeads]
    int* control;                // hand, step, free slots
    int slots;
};

enum Control { HAND, STEP, FREE };

// What is left of a query head's bound, in its units (see certificate.cu). 16 bytes.
struct alignas(16) Need {
    double scale;
    Mass units;  // to be covered; or ENDLESS
};

// Scratch between the launches. The first two live from choose to the end of the attention, the others from choose or
// refine to gather: what is launched in between writes over them. 64 bytes.
struct Choice {
    double* missed;   // [queryHeads]: mass of what is not read
    int* settled;     // [kvHeads]: not 0 where nothing was added to what the output was computed with
    Need* needs;      // [queryHeads]
    unsigned* keys;   // [kvHeads][stride]
    int* missTiles;   // [kvHeads][stride]; assign packs them together
    int* missCounts;  // [kvHeads + 1]; the last one is all of them
    int* hitCounts;   // [kvHeads]
    float* shares;    // [queryHeads][stride]
};

// Masses of a step's blocks. 24 bytes.
struct Masses {
    const float* mass;  // [queryHeads][stride]
    float* rest;        // [queryHeads][stride]
    int stride;
};

// How tiles are chosen. 16 bytes.
struct Rule {
    Mass groupMass;  // to be covered, over the GQA group; or ENDLESS
    int limit;       // most tiles of one KV head
};

// What bounds an output's error. 24 bytes.
struct Certified {
    const float* reaches;  // [homes][kvHeads]
    const float* out;      // [queryHeads][headSize]
    int renormalised;      // then reaches grow by the output's norm
};

// What a round asks for, as shares of an output's norm. 16 bytes.
struct Goal {
    double target;  // a bound up to this is met
    double rest;    // what bounds are brought down to where one is not
};

__device__ inline int slabTile(const CacheShape& shape, const Residency& cache, int slot) {
    return tileIndex(shape, cache.blocks[slot / shape.kvHeads], slot % shape.kvHeads);
}

// Counters of a FetchTally. 56 bytes, then a HeadTally per query head and a KvHeadTally per KV head.
struct Tally {
    double missedSum;
    double missedMax;
    long long hits;
    long long misses;
    long long bytes;
    long long inPlace;  // tiles read in host memory
    long long ranged;
};

struct HeadTally {
    double missedSum;
    double missedMax;
    double boundSum;
    double boundMax;
};

struct KvHeadTally {
    long long selected;
    long long bytes;
};

__device__ inline HeadTally* headTallies(Tally* tally) {
    return reinterpret_cast<HeadTally*>(tally + 1);
}

__device__ inline KvHeadTally* kvHeadTallies(const CacheShape& shape, Tally* tally) {
    return reinterpret_cast<KvHeadTally*>(headTallies(tally) + shape.queryHeads);
}

// Homes that were freed. The parameters carry them.
struct Homes {
    int count;
    int homes[MAX_HOMES];
};
