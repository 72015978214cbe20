// The largest keys of a list, found without sorting.
#pragma once

#include "reduce.cuh"
#include "residency.cuh"

constexpr int DIGIT_BITS = 8;
constexpr int DIGITS = 1 << DIGIT_BITS;
constexpr int LANE_DIGITS = DIGITS / WARP;

typedef unsigned long long Place;  // of a block in the order of a choice
constexpr Place BEHIND_ALL = ~0ull;

// Whether a block's key says that its tile can be chosen: it is not read, and there is something to gain.
__device__ inline bool isOpen(unsigned key) {
    return key != 0 && key != READ;
}

// Bits that number the blocks, in whole digits.
__device__ inline int blockBits(int blocks) {
    int bits = DIGIT_BITS;
    while (blocks > 1LL << bits) {
        bits += DIGIT_BITS;
    }
    return bits;
}

// All places differ: a larger key has a larger one, and of equal keys the lower block.
__device__ inline Place placeOf(unsigned key, int block, int bits) {
    return ((Place)key << bits) + ((1ull << bits) - 1 - block);
}

// What is still to be chosen: at most `limit` tiles, until `need` is covered.
struct alignas(16) Open {
    Mass need;
    int limit;
};

// Finds the digit at which a choice ends: from the largest digit down, the first with so many keys or so much mass that
// not all of them are chosen. Called by one warp. A lane looks at LANE_DIGITS digits. Returns false if all are chosen.
__device__ inline bool boundaryDigit(const int* counts, const Mass* weights, Open* open, unsigned* digit) {
    int lane = threadIdx.x;
    int top = DIGITS - 1 - lane * LANE_DIGITS;
    int count = 0;
    Mass weight = 0;
    for (int i = 0; i < LANE_DIGITS; i++) {
        count += counts[top - i];
        weight += weights[top - i];
    }
    int countBefore = count;
    Mass weightBefore = weight;
    for (int lanes = 1; lanes < WARP; lanes *= 2) {
        int lowerCount = __shfl_up_sync(ALL_LANES, countBefore, lanes);
        Mass lowerWeight = __shfl_up_sync(ALL_LANES, weightBefore, lanes);
        countBefore += lane >= lanes ? lowerCount : 0;
        weightBefore += lane >= lanes ? lowerWeight : 0;
    }
    countBefore -= count;
    weightBefore -= weight;
    bool found = false;
    unsigned at = 0;
    for (int i = 0; i < LANE_DIGITS && !found; i++) {
        int countHere = counts[top - i];
        Mass weightHere = weights[top - i];
        bool ends = countBefore + countHere > open->limit
                || (open->need != ENDLESS && weightBefore + weightHere >= open->need);
        if (countHere > 0 && ends) {
            found = true;
            at = top - i;
        } else {
            countBefore += countHere;
            weightBefore += weightHere;
        }
    }
    unsigned finders = __ballot_sync(ALL_LANES, found);
    if (finders == 0) {
        return false;
    }
    int first = __ffs((int)finders) - 1;
    *digit = __shfl_sync(ALL_LANES, at, first);
    int chosen = __shfl_sync(ALL_LANES, countBefore, first);
    Mass covered = __shfl_sync(ALL_LANES, weightBefore, first);
    open->limit -= chosen;
    open->need -= open->need == ENDLESS ? 0 : covered;
    return true;
}

// The shortest run of largest keys whose weights cover the need, at most `limit` of them: digit by digit from the top,
// with a histogram of what agrees with the digits so far, until the digit where it ends is that of one block. Returns
// the least place that is chosen. Weights, weigh(block), are integers: sums are the same in any order.
template <class Weigh>
__device__ inline Place findBoundary(const unsigned* keys, int blocks, Open open, Weigh weigh) {
    __shared__ int counts[DIGITS];
    __shared__ Mass weights[DIGITS];
    __shared__ unsigned boundary;
    __shared__ Open left;
    __shared__ bool ends;
    int bits = blockBits(blocks);
    int top = 32 + bits - DIGIT_BITS;
    Place prefix = 0;
    for (int shift = top;; shift -= DIGIT_BITS) {
        for (int i = threadIdx.x; i < DIGITS; i += CHOOSERS) {
            counts[i] = 0;
            weights[i] = 0;
        }
        __syncthreads();
        for (int block = threadIdx.x; block < blocks; block += CHOOSERS) {
            Place place = placeOf(keys[block], block, bits);
            if (isOpen(keys[block]) && (shift == top || place >> (shift + DIGIT_BITS) == prefix)) {
                atomicAdd(&counts[place >> shift & (DIGITS - 1)], 1);
                atomicAdd(&weights[place >> shift & (DIGITS - 1)], weigh(block));
            }
        }
        __syncthreads();
        if (threadIdx.x < WARP) {
            unsigned digit = 0;
            Open after = open;
            bool found = boundaryDigit(counts, weights, &after, &digit);
            if (threadIdx.x == 0) {
                ends = found;
                boundary = digit;
                left = after;
            }
        }
        __syncthreads();
        bool found = ends;
        unsigned digit = boundary;
        bool single = counts[digit] == 1;
        open = left;
        __syncthreads();
        if (!found) {
            return 0;  // everything is chosen
        }
        prefix = prefix << DIGIT_BITS | digit;
        if (single) {
            return (open.limit > 0 ? prefix : prefix + 1) << shift;
        }
    }
}
