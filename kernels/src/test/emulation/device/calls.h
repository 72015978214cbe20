// What compiled kernels call in the engine.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct uint3 {
    unsigned x, y, z;
};

namespace emulation {

enum class Barrier : uint8_t { Plain, Count, Or, And };
enum class Collective : uint8_t { Sync, Shuffle, Ballot, Any, All };

// Where a kernel's source makes a call.
struct Site {
    const char* file;
    int line;
};

// Waits until every thread of the block that has not exited is here; the reduction of the predicates.
int barrier(Barrier kind, int predicate, Site site);
// Waits until every lane of the mask that has not exited is here; what the operation gives this lane.
uint64_t collective(Collective operation, unsigned mask, uint64_t value, int sourceLane, Site site);
unsigned activeMask();
[[noreturn]] void trap(Site site);

// Checks an atomic access and fails the launch if it is not allowed.
void atomicAccess(const void* address, size_t bytes);
// Lets the other threads run, so that the owner of a lock can release it.
void yield();

// What a thread knows about itself never changes while it runs; "const" lets g++ ask once, as the hardware's
// registers do.
uint3 threadIndex() __attribute__((const));
uint3 blockIndex() __attribute__((const));
uint3 blockShape() __attribute__((const));
uint3 gridShape() __attribute__((const));
int laneIndex() __attribute__((const));
void* dynamicShared() __attribute__((const));

}  // namespace emulation
