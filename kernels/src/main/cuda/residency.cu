// What the tile cache holds: launches two and three of a choice (see selection.cu), and what frees slots between steps.
#include "copy.cuh"
#include "reduce.cuh"
#include "residency.cuh"

// Puts an absent tile into a slot and drops what the slot held.
__device__ inline void occupy(
        const CacheShape& shape, const Residency& cache, const Tiles& list, const Choice& packed, int miss, int slot) {
    int tile = packed.missTiles[miss];
    int held = cache.tileOfSlot[slot];
    if (held != ABSENT) {
        cache.slotOfTile[held] = ABSENT;
    }
    cache.tileOfSlot[slot] = tile;
    cache.slotOfTile[tile] = slot;
    cache.referenced[slot] = 0;
    cache.stamp[slot] = (unsigned)cache.control[STEP] + 1;
    int to = slabTile(shape, cache, slot);
    list.tiles[packed.missPlaces[miss]] = to;
    packed.missPlaces[miss] = to;
}

// Moves the misses of all KV heads together, in place: a row is read before anything is written to it or behind it.
__device__ inline int packMisses(const CacheShape& shape, const Choice& choice, int stride) {
    int all = choice.missCounts[0];
    for (int kvHead = 1; kvHead < shape.kvHeads; kvHead++) {
        int count = choice.missCounts[kvHead];
        long long row = (long long)kvHead * stride;
        for (int first = 0; first < count; first += CHOOSERS) {
            int i = first + threadIdx.x;
            int tile = i < count ? choice.missTiles[row + i] : 0;
            int place = i < count ? choice.missPlaces[row + i] : 0;
            __syncthreads();
            if (i < count) {
                choice.missTiles[all + i] = tile;
                choice.missPlaces[all + i] = place;
            }
            __syncthreads();
        }
        all += count;
    }
    return all;
}

// Gives slots to the misses first..all-1: the hand passes slots of this step, takes the reference bit from slots
// that have it, and drops what has none. CHOOSERS slots at a time, in the order of the hand.
__device__ inline void turnClock(
        const CacheShape& shape, const Residency& cache, const Tiles& list, const Choice& packed, int first, int all) {
    __shared__ int parts[CHOOSERS / WARP];
    __shared__ int end;
    unsigned step = (unsigned)cache.control[STEP] + 1;
    int start = cache.control[HAND];
    int hand = start;
    int miss = first;
    for (int round = 0; round < 2 && miss < all; round++) {
        for (int passed = 0; passed < cache.slots && miss < all; passed += CHOOSERS) {
            int position = passed + threadIdx.x;
            int slot = (start + position) % cache.slots;
            bool old = position < cache.slots && cache.stamp[slot] != step;
            bool second = old && cache.referenced[slot] != 0;
            bool victim = old && !second;
            if (threadIdx.x == 0) {
                end = min(passed + CHOOSERS, cache.slots);
            }
            Rank rank = ctaRank(victim, parts);
            if (victim && miss + rank.before == all - 1) {
                end = position + 1;  // the last one: the hand stops behind it
            }
            __syncthreads();
            if (victim && miss + rank.before < all) {
                occupy(shape, cache, list, packed, miss + rank.before, slot);
            }
            if (second && position < end) {
                cache.referenced[slot] = 0;
            }
            hand = (start + end) % cache.slots;
            miss += rank.all;
            __syncthreads();
        }
    }
    if (threadIdx.x == 0) {
        cache.control[HAND] = hand;
    }
}

__device__ inline void countStep(const CacheShape& shape, int blocks, int misses, const Choice& choice, Tally* tally) {
    double sum = 0;
    double most = tally->missedMax;
    for (int head = 0; head < shape.queryHeads; head++) {
        HeadTally* of = headTallies(tally) + head;
        of->missedSum += choice.missed[head];
        of->missedMax = max(of->missedMax, choice.missed[head]);
        sum += choice.missed[head];
        most = max(most, choice.missed[head]);
    }
    for (int kvHead = 0; kvHead < shape.kvHeads; kvHead++) {
        KvHeadTally* of = kvHeadTallies(shape, tally) + kvHead;
        of->selected += choice.hitCounts[kvHead] + choice.missCounts[kvHead];
        of->bytes += (long long)choice.missCounts[kvHead] * shape.tileBytes;
        tally->hits += choice.hitCounts[kvHead];
    }
    tally->missedSum += sum / shape.queryHeads;
    tally->missedMax = most;
    tally->ranged += (long long)blocks * shape.kvHeads;
    tally->misses += misses;
    tally->bytes += (long long)misses * shape.tileBytes;
}

// Grid: 1.
extern "C" __global__ void __launch_bounds__(CHOOSERS) assign(
        CacheShape shape, Count blocks, int stride, Residency cache, Tiles list, Choice choice, Tally* tally) {
    int all = packMisses(shape, choice, stride);
    __syncthreads();
    int free = cache.control[FREE];
    int fromFree = min(all, free);
    for (int miss = threadIdx.x; miss < fromFree; miss += CHOOSERS) {
        occupy(shape, cache, list, choice, miss, cache.freeSlots[free - 1 - miss]);
    }
    __syncthreads();
    if (fromFree < all) {
        turnClock(shape, cache, list, choice, fromFree, all);
    }
    __syncthreads();
    unsigned step = (unsigned)cache.control[STEP] + 1;
    bool last = step == ~0u;  // then the numbers start again; old stamps must not look new
    for (int slot = threadIdx.x; last && slot < cache.slots; slot += CHOOSERS) {
        cache.stamp[slot] = 0;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        cache.control[FREE] = free - fromFree;
        cache.control[STEP] = last ? 0 : (int)step;
        choice.missCounts[shape.kvHeads] = all;
        countStep(shape, valueOf(blocks), all, choice, tally);
    }
}

// Copies the absent tiles to their slots. Grid: any; a CTA copies one tile after the other.
extern "C" __global__ void __launch_bounds__(THREADS) gather(CacheShape shape, Residency cache, Choice choice) {
    int all = choice.missCounts[shape.kvHeads];
    for (int miss = blockIdx.x; miss < all; miss += gridDim.x) {
        copyBytes(
                cache.store + (long long)choice.missTiles[miss] * shape.tileBytes,
                tileAt(shape, choice.missPlaces[miss]),
                shape.tileBytes,
                threadIdx.x,
                THREADS);
    }
}

// Drops the tiles of freed homes, home by home and KV head by KV head. Grid: 1.
extern "C" __global__ void __launch_bounds__(CHOOSERS) invalidate(
        CacheShape shape, Residency cache, const Homes homes) {
    __shared__ int parts[CHOOSERS / WARP];
    int free = cache.control[FREE];
    for (int first = 0; first < homes.count * shape.kvHeads; first += CHOOSERS) {
        int i = first + threadIdx.x;
        bool present = i < homes.count * shape.kvHeads;
        int tile = present ? homes.homes[i / shape.kvHeads] * shape.kvHeads + i % shape.kvHeads : ABSENT;
        int slot = present ? cache.slotOfTile[tile] : ABSENT;
        Rank rank = ctaRank(slot != ABSENT, parts);
        if (slot != ABSENT) {
            cache.slotOfTile[tile] = ABSENT;
            cache.tileOfSlot[slot] = ABSENT;
            cache.freeSlots[free + rank.before] = slot;
        }
        free += rank.all;
    }
    if (threadIdx.x == 0) {
        cache.control[FREE] = free;
    }
}

// What the launches of the host believe about the structures above. Grid: 1, one thread.
extern "C" __global__ void selection_layout(long long* out) {
    long long facts[] = {
        (long long)sizeof(Residency),
        (long long)sizeof(Choice),
        (long long)sizeof(Masses),
        (long long)sizeof(Rule),
        (long long)sizeof(Tally),
        (long long)sizeof(Homes),
        CHOOSERS,
        (long long)MASS_UNIT,
    };
    for (int i = 0; i < (int)(sizeof(facts) / sizeof(facts[0])); i++) {
        out[i] = facts[i];
    }
}
