// What every choice of tiles ends with: it is known which keys are chosen.
#pragma once

#include "boundary.cuh"

// Reads, on top of what a KV head reads already, the tiles from a place on. Those that are present get their reference
// bit and the step's stamp; the others are noted as misses, in ascending order.
__device__ inline void take(
        const CacheShape& shape,
        int blocks,
        int stride,
        const int* homeTable,
        const Residency& cache,
        const Choice& choice,
        Place least) {
    __shared__ int parts[CHOOSERS / WARP];
    int kvHead = blockIdx.x;
    long long row = (long long)kvHead * stride;
    unsigned step = (unsigned)cache.control[STEP] + 1;
    int bits = blockBits(blocks);
    int misses = 0;
    int hits = 0;
    for (int first = 0; first < blocks; first += CHOOSERS) {
        int block = first + threadIdx.x;
        unsigned key = block < blocks ? choice.keys[row + block] : 0;
        bool chosen = isOpen(key) && placeOf(key, block, bits) >= least;
        int tile = chosen ? homeTable[block] * shape.kvHeads + kvHead : ABSENT;
        int slot = chosen ? cache.slotOfTile[tile] : ABSENT;
        Rank miss = ctaRank(chosen && slot == ABSENT, parts);
        if (chosen) {
            choice.keys[row + block] = READ;
            if (slot != ABSENT) {
                cache.referenced[slot] = 1;
                cache.stamp[slot] = step;
                hits++;
            } else {
                choice.missTiles[row + misses + miss.before] = tile;
            }
        }
        misses += miss.all;
    }
    hits = ctaSum(hits, parts);
    if (threadIdx.x == 0) {
        choice.missCounts[kvHead] = misses;
        choice.hitCounts[kvHead] = hits;
    }
}

// Writes the mass of what a KV head's query heads do not read, with zeros up to a whole block of summaries. A thread
// looks at the blocks that it looked at in take.
__device__ inline void writeRest(const CacheShape& shape, const Masses& masses, int blocks, const Choice& choice) {
    __shared__ double parts[CHOOSERS / WARP];
    int kvHead = blockIdx.x;
    int group = groupSize(shape);
    const unsigned* keys = choice.keys + (long long)kvHead * masses.stride;
    int padded = ceilDiv(blocks, shape.blockTokens) * shape.blockTokens;
    for (int head = kvHead * group; head < (kvHead + 1) * group; head++) {
        long long row = (long long)head * masses.stride;
        double missed = 0;
        for (int block = threadIdx.x; block < padded; block += CHOOSERS) {
            float rest = block < blocks && keys[block] != READ ? masses.mass[row + block] : 0.0f;
            masses.rest[row + block] = rest;
            missed += rest;
        }
        missed = ctaSum(missed, parts);
        if (threadIdx.x == 0) {
            choice.missed[head] = missed;
        }
    }
}
