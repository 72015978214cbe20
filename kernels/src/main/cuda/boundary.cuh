// The largest keys of a list, found without sorting.
#pragma once

#include "reduce.cuh"
#include "residency.cuh"

constexpr int DIGIT_BITS = 8;
constexpr int DIGITS = 1 << DIGIT_BITS;
constexpr int LANE_DIGITS = DIGITS / WARP;

__device__ inline Mass massOf(unsigned key) {
    return (Mass)((double)__uint_as_float(key) * MASS_UNIT);
}

// What is still to be chosen: at most `limit` tiles, until `need` is covered.
struct Open {
    Mass need;
    int limit;
};

// The boundary of a choice: larger keys are chosen, and the first `ties` blocks of those with this very key.
struct Boundary {
    unsigned key;
    int ties;
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

// The shortest run of largest keys whose masses cover the need, at most `limit` of them: digit by digit from the
// top, with a histogram of what agrees with the digits so far.
__device__ inline Boundary findBoundary(const unsigned* keys, int blocks, Open open) {
    __shared__ int counts[DIGITS];
    __shared__ Mass weights[DIGITS];
    __shared__ unsigned boundary;
    __shared__ Mass needLeft;
    __shared__ int limitLeft;
    __shared__ bool ends;
    unsigned prefix = 0;
    for (int shift = 32 - DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
        for (int i = threadIdx.x; i < DIGITS; i += CHOOSERS) {
            counts[i] = 0;
            weights[i] = 0;
        }
        __syncthreads();
        for (int block = threadIdx.x; block < blocks; block += CHOOSERS) {
            unsigned key = keys[block];
            bool agrees = shift == 32 - DIGIT_BITS || key >> (shift + DIGIT_BITS) == prefix;
            if (key != 0 && agrees) {
                atomicAdd(&counts[key >> shift & (DIGITS - 1)], 1);
                atomicAdd(&weights[key >> shift & (DIGITS - 1)], massOf(key));
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
                needLeft = after.need;
                limitLeft = after.limit;
            }
        }
        __syncthreads();
        bool found = ends;
        unsigned digit = boundary;
        open.need = needLeft;
        open.limit = limitLeft;
        __syncthreads();
        if (!found) {
            return Boundary{0, 0};  // everything above 0
        }
        prefix = prefix << DIGIT_BITS | digit;
    }
    Mass each = massOf(prefix);
    int ties = open.limit;
    if (open.need != ENDLESS && each > 0 && (open.need + each - 1) / each < (Mass)ties) {
        ties = (int)((open.need + each - 1) / each);
    }
    return Boundary{prefix, ties};
}
