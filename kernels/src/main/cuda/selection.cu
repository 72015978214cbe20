// The choice of the value tiles that a step reads, and what is known about the tile cache, in three launches:
//
//   choose   per KV head: scores, the largest tiles, the tile list, what is missed, which chosen tiles are absent
//   assign   gives absent tiles their slots: free ones first, then by CLOCK
//   gather   copies them there from mapped host memory
//
// The choices are those of the host, tile by tile (see the tile cache and the value selector of the offload
// module). Terms: a block is resident if it has a device block; every KV head reads it. The others are offloaded,
// and their score for a KV head is their mass summed over its GQA group, in F32 and in the order of the query
// heads.
#include "boundary.cuh"

constexpr unsigned READ = 0xffffffffu;  // the key of a block that a KV head reads

// Fills key[block]: the score's bits if the block is offloaded and its score above 0, else 0. Returns the scores'
// sum over the thread's resident blocks.
__device__ inline Mass scoreBlocks(
        const CacheShape& shape, const Masses& masses, int blocks, const int* valueTable, unsigned* keys) {
    int group = groupSize(shape);
    const float* mass = masses.mass + (long long)blockIdx.x * group * masses.stride;
    Mass resident = 0;
    for (int block = threadIdx.x; block < blocks; block += CHOOSERS) {
        float score = 0;
        for (int member = 0; member < group; member++) {
            score += mass[(long long)member * masses.stride + block];
        }
        unsigned key = score > 0 ? __float_as_uint(score) : 0;
        bool offloaded = valueTable[block] == ABSENT;
        keys[block] = offloaded ? key : 0;
        resident += offloaded ? 0 : massOf(key);
    }
    return resident;
}

// Writes the tile list in ascending order, notes the misses and marks what is read. Chosen tiles that are present get
// their reference bit and the step's stamp.
__device__ inline void listChosen(
        const CacheShape& shape,
        int blocks,
        const int* valueTable,
        const int* homeTable,
        const Residency& cache,
        const Tiles& list,
        const Choice& choice,
        int stride,
        const Boundary& boundary,
        bool chooses) {
    __shared__ int parts[CHOOSERS / WARP];
    int kvHead = blockIdx.x;
    long long row = (long long)kvHead * stride;
    unsigned step = (unsigned)cache.control[STEP] + 1;
    int listed = 0;
    int misses = 0;
    int hits = 0;
    int ties = 0;
    for (int first = 0; first < blocks; first += CHOOSERS) {
        int block = first + threadIdx.x;
        int id = block < blocks ? valueTable[block] : ABSENT;
        unsigned key = block < blocks && id == ABSENT && chooses ? choice.keys[row + block] : 0;
        bool tie = key != 0 && key == boundary.key;
        Rank tieRank = ctaRank(tie, parts);
        bool chosen = (key != 0 && key > boundary.key) || (tie && ties + tieRank.before < boundary.ties);
        ties += tieRank.all;
        int tile = chosen ? homeTable[block] * shape.kvHeads + kvHead : ABSENT;
        int slot = chosen ? cache.slotOfTile[tile] : ABSENT;
        bool reads = id != ABSENT || chosen;
        Rank place = ctaRank(reads, parts);
        Rank miss = ctaRank(chosen && slot == ABSENT, parts);
        if (reads) {
            long long at = (long long)kvHead * list.capacity + listed + place.before;
            list.blocks[at] = block;
            choice.keys[row + block] = READ;
            if (id != ABSENT) {
                list.tiles[at] = tileIndex(shape, id, kvHead);
            } else if (slot != ABSENT) {
                list.tiles[at] = slabTile(shape, cache, slot);
                cache.referenced[slot] = 1;
                cache.stamp[slot] = step;
                hits++;
            } else {
                choice.missTiles[row + misses + miss.before] = tile;
                choice.missPlaces[row + misses + miss.before] = (int)at;
            }
        }
        listed += place.all;
        misses += miss.all;
    }
    hits = ctaSum(hits, parts);
    if (threadIdx.x == 0) {
        list.counts[kvHead] = listed;
        choice.missCounts[kvHead] = misses;
        choice.hitCounts[kvHead] = hits;
    }
}

// Grid: KV heads.
extern "C" __global__ void __launch_bounds__(CHOOSERS) choose(
        CacheShape shape,
        Masses masses,
        Count count,
        const int* valueTable,
        const int* homeTable,
        Rule rule,
        Residency cache,
        Tiles list,
        Choice choice) {
    __shared__ Mass massParts[CHOOSERS / WARP];
    __shared__ double missedParts[CHOOSERS / WARP];
    int kvHead = blockIdx.x;
    int blocks = valueOf(count);
    unsigned* keys = choice.keys + (long long)kvHead * masses.stride;
    Mass resident = ctaSum(scoreBlocks(shape, masses, blocks, valueTable, keys), massParts);
    Open open = {rule.groupMass, rule.limit};
    bool chooses = open.need == ENDLESS || open.need > resident;
    open.need -= open.need == ENDLESS || !chooses ? 0 : resident;
    Boundary boundary = {0, 0};
    if (chooses) {
        boundary = findBoundary(keys, blocks, open);
    }
    listChosen(shape, blocks, valueTable, homeTable, cache, list, choice, masses.stride, boundary, chooses);
    __syncthreads();
    int group = groupSize(shape);
    int padded = ceilDiv(blocks, shape.blockTokens) * shape.blockTokens;
    for (int head = kvHead * group; head < (kvHead + 1) * group; head++) {
        long long row = (long long)head * masses.stride;
        double missed = 0;
        for (int block = threadIdx.x; block < padded; block += CHOOSERS) {
            float rest = block < blocks && keys[block] != READ ? masses.mass[row + block] : 0.0f;
            masses.rest[row + block] = rest;
            missed += rest;
        }
        missed = ctaSum(missed, missedParts);
        if (threadIdx.x == 0) {
            choice.missed[head] = missed;
        }
    }
}
