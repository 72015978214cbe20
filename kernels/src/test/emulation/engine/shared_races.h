// Finds two threads of a block that touch the same byte of shared memory without a barrier between, at least one of
// them writing. Unlike a wrong result this does not depend on the order in which the threads happened to run.
//
// Every word of 4 bytes remembers its last writer and two of its readers, of different warps if it has such, each
// with the value of the block's clock, which counts barriers and warp synchronisations. An earlier access is ordered
// before the present one if it is by the same thread, if a barrier of the block came after it, or if both threads are
// in one warp and a __syncwarp of both came after it. A shuffle orders nothing: CUDA promises no more. Two atomics
// are no race. From the first access to a part of a word to the next barrier its 4 bytes remember for themselves.
#pragma once

#include <cstddef>
#include <cstdint>

#include "block.h"

namespace emulation {

enum class Access : uint8_t { Read, Write, Atomic };

// One access. Clock 0 is before every barrier: nobody yet.
struct Touch {
    uint32_t clock;
    uint16_t thread;
    Access access;
};

struct History {
    Touch write, read, otherRead;
    // The word's bytes remember for themselves, if this is not before the last barrier.
    uint32_t splitClock;
};

extern __attribute__((visibility("hidden"))) History* sharedWords;

// Makes room for the shared memory of the block that starts.
void reserveHistory();

// The bytes are counted from the start of the static shared memory; the dynamic follows at block.dynamicOffset().
void visitShared(size_t offset, size_t bytes, Access access, void* caller);

// Whether one more reader changes nothing: nobody wrote since the last barrier, and two threads have read already,
// one of which any writer has a race with. That is so if they are of two warps, or lanes of the reader's own that it
// did not meet since.
inline bool isReadByMany(const History& word) {
    uint32_t barrier = block.barrierClock;
    if (word.write.clock >= barrier || word.splitClock >= barrier || word.read.clock < barrier
        || word.otherRead.clock < barrier) {
        return false;
    }
    unsigned warp = word.read.thread / WARP_LANES;
    if (warp != word.otherRead.thread / WARP_LANES) {
        return true;
    }
    uint32_t met = block.current->warp->syncClock;
    return warp == block.current->number / WARP_LANES && word.read.thread != word.otherRead.thread
           && word.read.clock >= met && word.otherRead.clock >= met;
}

inline void checkRace(size_t offset, size_t bytes, Access access, void* caller) {
    bool isSettled = access == Access::Read;
    for (size_t word = offset / 4; isSettled && word * 4 < offset + bytes; word++) {
        isSettled = isReadByMany(sharedWords[word]);
    }
    if (!isSettled) {
        visitShared(offset, bytes, access, caller);
    }
}

// Fails the launch (access_check.cpp).
void reportRace(size_t offset, Access access, const Thread& other, Access otherAccess, void* caller);

}  // namespace emulation
