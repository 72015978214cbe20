// What the tile cache holds: launches two and three of a choice (see selection.cu), and what frees slots between steps.
#include "copy.cuh"
#include "reduce.cuh"
#include "residency.cuh"

// Puts an absent tile into a slot and drops what the slot held.
__device__ inline void occupy(const Residency& cache, int tile, int slot) {
    int held = cache.tileOfSlot[slot];
    if (held != ABSENT) {
        cache.slotOfTile[held] = ABSENT;
    }
    cache.tileOfSlot[slot] = tile;
    cache.slotOfTile[tile] = slot;
    cache.referenced[slot] = 0;
    cache.stamp[slot] = (unsigned)cache.control[STEP] + 1;
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
            __syncthreads();
            if (i < count) {
                choice.missTiles[all + i] = tile;
            }
            __syncthreads();
        }
        all += count;
    }
    return all;
}

// Gives slots to the misses first..all-1, or to as many as there are: the hand passes slots of this step, takes the
// reference bit from slots that have it, and drops what has none. CHOOSERS slots at a time, in the order of the hand,
// which stops behind the last one that was dropped. Returns the first miss without a slot.
__device__ inline int turnClock(const Residency& cache, const int* missTiles, int first, int all) {
    __shared__ int parts[CHOOSERS / WARP];
    __shared__ int end;
    __shared__ int hand;
    unsigned step = (unsigned)cache.control[STEP] + 1;
    int start = cache.control[HAND];
    int miss = first;
    if (threadIdx.x == 0) {
        hand = start;
    }
    for (int round = 0; round < 2 && miss < all; round++) {
        for (int passed = 0; passed < cache.slots && miss < all; passed += CHOOSERS) {
            int position = passed + threadIdx.x;
            int slot = (start + position) % cache.slots;
            bool old = position < cache.slots && cache.stamp[slot] != step;
            bool second = old && cache.referenced[slot] != 0;
            bool victim = old && !second;
            if (threadIdx.x == 0) {
                end = passed + CHOOSERS;
            }
            Rank rank = ctaRank(victim, parts);
            if (victim && miss + rank.before == all - 1) {
                end = position + 1;  // the last one: what is behind it keeps its bit
            }
            if (victim && rank.before == min(rank.all, all - miss) - 1) {
                hand = (slot + 1) % cache.slots;
            }
            __syncthreads();
            if (victim && miss + rank.before < all) {
                occupy(cache, missTiles[miss + rank.before], slot);
            }
            if (second && position < end) {
                cache.referenced[slot] = 0;
            }
            miss += rank.all;
            __syncthreads();
        }
    }
    if (threadIdx.x == 0) {
        cache.control[HAND] = hand;
    }
    return min(miss, all);
}

// Counts the tiles that were chosen; `fetched` of the absent ones have a slot.
__device__ inline void countTiles(const CacheShape& shape, const Choice& choice, int fetched, int all, Tally* tally) {
    for (int kvHead = 0; kvHead < shape.kvHeads; kvHead++) {
        KvHeadTally* of = kvHeadTallies(shape, tally) + kvHead;
        of->selected += choice.hitCounts[kvHead] + choice.missCounts[kvHead];
        of->bytes += (long long)choice.missCounts[kvHead] * shape.tileBytes;
        tally->hits += choice.hitCounts[kvHead];
    }
    tally->misses += fetched;
    tally->inPlace += all - fetched;
    tally->bytes += (long long)all * shape.tileBytes;
}

// Counts what a step missed.
__device__ inline void countMissed(const CacheShape& shape, int blocks, const Choice& choice, Tally* tally) {
    double sum = 0;
    double most = tally->missedMax;
    for (int head = 0; head < shape.queryHeads; head++) {
        HeadTally* of = headTallies(tally) + head;
        of->missedSum += choice.missed[head];
        of->missedMax = max(of->missedMax, choice.missed[head]);
        sum += choice.missed[head];
        most = max(most, choice.missed[head]);
    }
    tally->missedSum += sum / shape.queryHeads;
    tally->missedMax = most;
    tally->ranged += (long long)blocks * shape.kvHeads;
}

// Moves on to the number of the next step.
__device__ inline void endStep(const Residency& cache) {
    unsigned step = (unsigned)cache.control[STEP] + 1;
    bool last = step == ~0u;  // then the numbers start again; old stamps must not look new
    for (int slot = threadIdx.x; last && slot < cache.slots; slot += CHOOSERS) {
        cache.stamp[slot] = 0;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        cache.control[STEP] = last ? 0 : (int)step;
    }
}

// `ends`: whether the step chooses no more behind this. Grid: 1.
extern "C" __global__ void __launch_bounds__(CHOOSERS) assign(
        CacheShape shape, Count blocks, int stride, Residency cache, Choice choice, Tally* tally, int ends) {
    int all = packMisses(shape, choice, stride);
    __syncthreads();
    int free = cache.control[FREE];
    int fetched = min(all, free);
    for (int miss = threadIdx.x; miss < fetched; miss += CHOOSERS) {
        occupy(cache, choice.missTiles[miss], cache.freeSlots[free - 1 - miss]);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        cache.control[FREE] = free - fetched;
    }
    if (fetched < all) {
        fetched = turnClock(cache, choice.missTiles, fetched, all);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        choice.missCounts[shape.kvHeads] = all;
        countTiles(shape, choice, fetched, all, tally);
        if (ends) {
            countMissed(shape, valueOf(blocks), choice, tally);
        }
    }
    if (ends) {
        endStep(cache);
    }
}

// Lists what a KV head reads, in ascending order: in device memory, or in place.
__device__ inline void list(
        const CacheShape& shape,
        int blocks,
        const int* valueTable,
        const int* homeTable,
        const Residency& cache,
        const unsigned* keys,
        const Tiles& tiles,
        const Tiles& inPlace) {
    __shared__ int parts[THREADS / WARP];
    int kvHead = blockIdx.x;
    int listed = 0;
    int listedInPlace = 0;
    for (int first = 0; first < blocks; first += THREADS) {
        int block = first + threadIdx.x;
        bool reads = block < blocks && keys[block] == READ;
        int id = reads ? valueTable[block] : ABSENT;
        int home = reads && id == ABSENT ? tileIndex(shape, homeTable[block], kvHead) : ABSENT;
        int slot = home != ABSENT ? cache.slotOfTile[home] : ABSENT;
        bool absent = home != ABSENT && slot == ABSENT;
        Rank place = ctaRank(reads && !absent, parts);
        Rank placeInPlace = ctaRank(absent, parts);
        if (absent) {
            long long at = (long long)kvHead * inPlace.capacity + listedInPlace + placeInPlace.before;
            inPlace.blocks[at] = block;
            inPlace.tiles[at] = home;
        } else if (reads) {
            long long at = (long long)kvHead * tiles.capacity + listed + place.before;
            tiles.blocks[at] = block;
            tiles.tiles[at] = id != ABSENT ? tileIndex(shape, id, kvHead) : slabTile(shape, cache, slot);
        }
        listed += place.all;
        listedInPlace += placeInPlace.all;
    }
    if (threadIdx.x == 0) {
        tiles.counts[kvHead] = listed;
        inPlace.counts[kvHead] = listedInPlace;
    }
}

// Copies absent tiles to their slots, and lists. Grid: any that is not below KV heads; a CTA copies one tile after the
// other, and the first ones list as well.
extern "C" __global__ void __launch_bounds__(THREADS) gather(
        CacheShape shape,
        Count count,
        int stride,
        const int* valueTable,
        const int* homeTable,
        Residency cache,
        Choice choice,
        Tiles tiles,
        Tiles inPlace) {
    int kvHead = blockIdx.x;
    if (kvHead < shape.kvHeads && choice.settled[kvHead] == 0) {
        const unsigned* keys = choice.keys + (long long)kvHead * stride;
        list(shape, valueOf(count), valueTable, homeTable, cache, keys, tiles, inPlace);
    }
    int all = choice.missCounts[shape.kvHeads];
    for (int miss = blockIdx.x; miss < all; miss += gridDim.x) {
        int tile = choice.missTiles[miss];
        int slot = cache.slotOfTile[tile];
        if (slot != ABSENT) {
            copyBytes(
                    cache.store + (long long)tile * shape.tileBytes,
                    tileAt(shape, slabTile(shape, cache, slot)),
                    shape.tileBytes,
                    threadIdx.x,
                    THREADS);
        }
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
        (long long)sizeof(Need),
        (long long)sizeof(Certified),
        (long long)sizeof(Goal),
        CHOOSERS,
        (long long)MASS_UNIT,
    };
    for (int i = 0; i < (int)(sizeof(facts) / sizeof(facts[0])); i++) {
        out[i] = facts[i];
    }
}
