// Sums, maxima and ordered counts over a warp or a CTA.
#pragma once

#include "layout.cuh"

__device__ inline float warpMax(float value) {
    for (int lanes = WARP / 2; lanes > 0; lanes /= 2) {
        value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, lanes));
    }
    return value;
}

template <class N>
__device__ inline N warpSum(N value) {
    for (int lanes = WARP / 2; lanes > 0; lanes /= 2) {
        value += __shfl_xor_sync(ALL_LANES, value, lanes);
    }
    return value;
}

// The sum over a CTA's threads, for all of them. `parts` holds one number per warp and may be used again at once.
template <class N>
__device__ inline N ctaSum(N value, N* parts) {
    value = warpSum(value);
    if (threadIdx.x % WARP == 0) {
        parts[threadIdx.x / WARP] = value;
    }
    __syncthreads();
    N sum = 0;
    for (int warp = 0; warp < (int)blockDim.x / WARP; warp++) {
        sum += parts[warp];
    }
    __syncthreads();
    return sum;
}

// As ctaSum, the largest.
__device__ inline float ctaMax(float value, float* parts) {
    value = warpMax(value);
    if (threadIdx.x % WARP == 0) {
        parts[threadIdx.x / WARP] = value;
    }
    __syncthreads();
    for (int warp = 0; warp < (int)blockDim.x / WARP; warp++) {
        value = fmaxf(value, parts[warp]);
    }
    __syncthreads();
    return value;
}

// How many threads before this one, and how many in all, have the flag set. As ctaSum with `parts`.
struct Rank {
    int before;
    int all;
};

__device__ inline Rank ctaRank(bool flag, int* parts) {
    int lane = threadIdx.x % WARP;
    int own = threadIdx.x / WARP;
    unsigned flags = __ballot_sync(ALL_LANES, flag);
    if (lane == 0) {
        parts[own] = __popc(flags);
    }
    __syncthreads();
    Rank rank = {__popc(flags & ((1u << lane) - 1)), 0};
    for (int warp = 0; warp < (int)blockDim.x / WARP; warp++) {
        rank.before += warp < own ? parts[warp] : 0;
        rank.all += parts[warp];
    }
    __syncthreads();
    return rank;
}
