// Finds two threads of a block that touch the same byte of shared memory without a barrier between, at least one of them
// writing. Unlike a wrong result this does not depend on the order in which the threads happened to run.
//
// Every word of 4 bytes remembers its last writer and its last two different readers, each with the value of the block's clock,
// which counts barriers and warp synchronisations. An earlier access is ordered before the present one if it is by the same
// thread, if a barrier of the block came after it, or if both threads are in one warp and a __syncwarp of both came after it.
// A shuffle orders nothing: CUDA promises no more. Two atomics are no race. From the first access to a part of a word to the next
// barrier its 4 bytes remember for themselves.
#pragma once

#include <cstddef>
#include <cstdint>

#include "block.h"

namespace emulation {

enum class Access : uint8_t { Read, Write, Atomic };

// The bytes are counted from the start of the static shared memory; the dynamic follows at block.dynamicOffset().
void checkRace(size_t offset, size_t bytes, Access access, void* caller);

// Fails the launch (access_check.cpp).
void reportRace(size_t offset, Access access, const Thread& other, Access otherAccess, void* caller);

}  // namespace emulation
