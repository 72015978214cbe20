// The choice of the value tiles that a step reads, and what is known about the tile cache, in three launches:
//
//   choose   per KV head: scores, the largest tiles, what is missed, which chosen tiles are absent
//   assign   gives absent tiles their slots: free ones first, then by CLOCK
//   gather   copies them there from mapped host memory, and lists what is read
//
// The choices are those of the host, tile by tile (see the tile cache and the value selector of the offload
// module). Terms: a block is resident if it has a device block; every KV head reads it. The others are offloaded,
// and their score for a KV head is their mass summed over its GQA group, in F32 and in the order of the query
// heads. Under `certified`, choose chooses nothing, and refine (see certificate.cu) takes its place in every round.
#include "taking.cuh"

__device__ inline Mass massOf(unsigned key) {
    return (Mass)((double)__uint_as_float(key) * MASS_UNIT);
}

// Fills key[block]: READ if the block is resident, the score's bits if its score is above 0, else 0. Returns the sum of
// the scores of the thread's resident blocks.
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
        keys[block] = offloaded ? key : READ;
        resident += offloaded ? 0 : massOf(key);
    }
    return resident;
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
        Choice choice) {
    __shared__ Mass parts[CHOOSERS / WARP];
    int kvHead = blockIdx.x;
    int blocks = valueOf(count);
    unsigned* keys = choice.keys + (long long)kvHead * masses.stride;
    Mass resident = ctaSum(scoreBlocks(shape, masses, blocks, valueTable, keys), parts);
    Open open = {rule.groupMass, rule.limit};
    bool chooses = open.limit > 0 && (open.need == ENDLESS || open.need > resident);
    open.need -= open.need == ENDLESS || !chooses ? 0 : resident;
    Place least = BEHIND_ALL;
    if (chooses) {
        least = findBoundary(keys, blocks, open, [&](int block) { return massOf(keys[block]); });
    }
    take(shape, blocks, masses.stride, homeTable, cache, choice, least);
    writeRest(shape, masses, blocks, choice);
    if (threadIdx.x == 0) {
        choice.settled[kvHead] = 0;
    }
}
