// How far outputs can be from the exact ones, and which tiles to read until that is little enough: the certificate of
// the offload module, which says why, as kernels. Behind an attention that chose by `certified`, in every round:
//
//   refine   per KV head: bounds, and where one exceeds its target, the tiles with the largest shares
//   assign, gather, and all that computes the output (see selection.cu)
//
// All rounds are always launched. A KV head whose bounds are met is settled: nothing in what it reads can change, so
// every launch that follows, here and where outputs are computed, ends at once for it. At last
//
//   account  per query head: counts the bound
//
// A share is a block's term of a bound, an F32. Shares are added up in whole units of their query head, rounded up:
// 2^SHARE_BITS units are the power of two at or below the largest share, so that any sum of them fits into 63 bits and
// is the same in any order; the host adds in the same units.
#include "taking.cuh"

constexpr int SHARE_BITS = 31;
constexpr double BOUND_ROUNDING = 1 + 0x1p-17;  // more than masses lose as sums of F32, and shares as F32
constexpr double LARGEST_UNITS = 0x1p62;
constexpr double LARGEST_BOUND = 100;           // what a larger bound over the output's norm counts as

struct Bound {
    double norm;   // of the output
    double scale;  // units in a length of 1
    Mass units;    // the bound; or ENDLESS
};

// The same in every thread. In the order of the host: sums over every 32nd element, added half to half.
__device__ inline double normOf(const CacheShape& shape, const float* out, int head) {
    double squares = 0;
    for (int e = threadIdx.x % WARP; e < shape.headSize; e += WARP) {
        double element = out[(long long)head * shape.headSize + e];
        squares += element * element;
    }
    return sqrt(warpSum(squares));
}

__device__ inline Mass unitsOf(float share, double scale) {
    return (Mass)ceil(share * scale);
}

// Whole units within a length.
__device__ inline Mass unitsWithin(double length, double scale) {
    double units = length * scale;
    return units > 0 ? (Mass)min(units, LARGEST_UNITS) : 0;
}

// Bounds a query head's error with what is read, and leaves the shares. A thread has every CHOOSERS-th block.
__device__ inline Bound measure(
        const CacheShape& shape,
        const Masses& masses,
        int blocks,
        const int* homeTable,
        const Certified& certified,
        int head,
        float* shares) {
    __shared__ float largestParts[CHOOSERS / WARP];
    __shared__ Mass parts[CHOOSERS / WARP];
    int kvHead = head / groupSize(shape);
    const float* rest = masses.rest + (long long)head * masses.stride;
    double norm = normOf(shape, certified.out, head);
    double own = certified.renormalised ? norm : 0;
    float largest = 0;
    for (int block = threadIdx.x; block < blocks; block += CHOOSERS) {
        float mass = rest[block];
        float share = 0;
        if (mass > 0) {
            double reach = certified.reaches[tileIndex(shape, homeTable[block], kvHead)];
            share = (float)(mass * (reach + own) * BOUND_ROUNDING);
            share = share < INFINITY ? share : INFINITY;  // what is not a number has no end either
        }
        shares[block] = share;
        largest = fmaxf(largest, share);
    }
    largest = ctaMax(largest, largestParts);
    if (largest == INFINITY) {
        return Bound{norm, 0, ENDLESS};
    }
    int exponent = (int)(__float_as_uint(largest) >> 23) - 127;
    double scale = ldexp(1.0, SHARE_BITS - exponent);
    Mass units = 0;
    for (int block = threadIdx.x; block < blocks; block += CHOOSERS) {
        units += unitsOf(shares[block], scale);
    }
    return Bound{norm, scale, ctaSum(units, parts)};
}

// Fills key[block]: READ if the block is resident or an earlier round chose it, which was for its mass; else 0.
__device__ inline void markRead(
        const CacheShape& shape, const Masses& masses, int blocks, const int* valueTable, unsigned* keys) {
    int group = groupSize(shape);
    long long first = (long long)blockIdx.x * group * masses.stride;
    for (int block = threadIdx.x; block < blocks; block += CHOOSERS) {
        bool read = valueTable[block] != ABSENT;
        for (int member = 0; member < group; member++) {
            long long at = first + (long long)member * masses.stride + block;
            read |= masses.mass[at] > 0 && masses.rest[at] == 0;
        }
        keys[block] = read ? READ : 0;
    }
}

// Raises the keys to the shares of a query head over its output's norm.
__device__ inline void raiseKeys(int blocks, const float* shares, double norm, unsigned* keys) {
    for (int block = threadIdx.x; block < blocks; block += CHOOSERS) {
        float share = shares[block];
        if (share > 0) {
            float relative = (float)(share / norm);
            unsigned key = max(__float_as_uint(relative < INFINITY ? relative : INFINITY), 1u);
            keys[block] = max(keys[block], key);
        }
    }
}

// The least place of the shortest run of keys that covers every need of a KV head's group.
__device__ inline Place cover(
        const CacheShape& shape, int blocks, int stride, const unsigned* keys, const Choice& choice) {
    int kvHead = blockIdx.x;
    int group = groupSize(shape);
    Place least = BEHIND_ALL;
    for (int head = kvHead * group; head < (kvHead + 1) * group; head++) {
        Need need = choice.needs[head];
        const float* shares = choice.shares + (long long)head * stride;
        if (need.units == ENDLESS) {
            least = 0;
        } else if (need.units > 0) {
            least = min(least, findBoundary(keys, blocks, Open{need.units, blocks}, [&](int block) {
                            return unitsOf(shares[block], need.scale);
                        }));
        }
    }
    return least;
}

// Grid: KV heads.
extern "C" __global__ void __launch_bounds__(CHOOSERS) refine(
        CacheShape shape,
        Masses masses,
        Count count,
        const int* valueTable,
        const int* homeTable,
        Certified certified,
        Goal goal,
        Residency cache,
        Choice choice) {
    int kvHead = blockIdx.x;
    int group = groupSize(shape);
    int blocks = valueOf(count);
    unsigned* keys = choice.keys + (long long)kvHead * masses.stride;
    bool met = choice.settled[kvHead] != 0;
    __syncthreads();
    if (!met) {
        met = true;
        markRead(shape, masses, blocks, valueTable, keys);
        for (int head = kvHead * group; head < (kvHead + 1) * group; head++) {
            float* shares = choice.shares + (long long)head * masses.stride;
            Bound bound = measure(shape, masses, blocks, homeTable, certified, head, shares);
            met &= bound.units <= unitsWithin(bound.norm * goal.target, bound.scale);
            raiseKeys(blocks, shares, bound.norm, keys);
            if (threadIdx.x == 0) {
                Mass within = unitsWithin(bound.norm * goal.rest, bound.scale);
                bool endless = bound.units == ENDLESS;
                choice.needs[head] = Need{bound.scale, endless ? ENDLESS : bound.units - min(bound.units, within)};
            }
        }
        __syncthreads();
    }
    if (met) {
        if (threadIdx.x == 0) {
            choice.settled[kvHead] = 1;
            choice.missCounts[kvHead] = 0;
            choice.hitCounts[kvHead] = 0;
        }
        return;
    }
    Place least = cover(shape, blocks, masses.stride, keys, choice);
    take(shape, blocks, masses.stride, homeTable, cache, choice, least);
    writeRest(shape, masses, blocks, choice);
}

// Counts a query head's bound. Grid: query heads.
extern "C" __global__ void __launch_bounds__(CHOOSERS) account(
        CacheShape shape,
        Masses masses,
        Count count,
        const int* homeTable,
        Certified certified,
        Choice choice,
        Tally* tally) {
    int head = blockIdx.x;
    float* shares = choice.shares + (long long)head * masses.stride;
    Bound bound = measure(shape, masses, valueOf(count), homeTable, certified, head, shares);
    if (threadIdx.x == 0) {
        double length = bound.units == ENDLESS ? INFINITY : (double)bound.units / bound.scale;
        bool counted = length < LARGEST_BOUND * bound.norm;
        double relative = counted ? length / bound.norm : length > 0 ? LARGEST_BOUND : 0;
        HeadTally* of = headTallies(tally) + head;
        of->boundSum += relative;
        of->boundMax = max(of->boundMax, relative);
    }
}
