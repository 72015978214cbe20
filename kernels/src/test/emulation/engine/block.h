// A block of threads while it runs.
//
//   launch   blocks one after the other, in an order drawn from the seed
//   block    every CUDA thread is a fiber: a stack of its own, left only at a barrier, a warp collective or the end
//   warp     32 lanes; warps, and lanes in a warp, are resumed in an order drawn from the seed
//
// Everything here is used by one thread of the process at a time: the driver's lock is held while a kernel runs.
#pragma once

#include <cstdint>

#include "../device/calls.h"
#include "kernel.h"
#include "library.h"

namespace emulation {

constexpr unsigned MAX_THREADS = 1024;
constexpr unsigned WARP_LANES = 32;
constexpr size_t STACK_BYTES = 128 << 10;
// What an H100 or H200 gives to one block, static and dynamic together.
constexpr size_t MAX_SHARED_BYTES = 227 << 10;

struct LaunchShape {
    uint3 grid, block;
    size_t sharedBytes;
};

// Spinning is ready too, but lets everybody else go first.
enum class ThreadState : uint8_t { Ready, Spinning, InCollective, AtBarrier, Exited };

struct Warp;

struct Thread {
    void* stackPointer;
    uint3 index;
    ThreadState state;
    uint8_t lane;
    uint16_t number;
    Warp* warp;
    // Where it waits, and with what.
    Site site;
    Barrier barrier;
    Collective operation;
    unsigned mask;
    int sourceLane;
    uint64_t value, result;
    // The last __syncwarp of a part of the warp, for the race check.
    unsigned partMask;
    uint32_t partClock;
};

struct Warp {
    Thread* threads;
    unsigned present, exited, waiting;
    // The last __syncwarp of the whole warp, for the race check.
    uint32_t syncClock;
};

struct Block {
    const Kernel* kernel;
    const char* arguments;
    LaunchShape shape;
    uint3 index;
    unsigned threadCount, exited, atBarrier, spins;
    int predicateSum, barrierResult;
    // Counts barriers and warp synchronisations, over all blocks and launches.
    uint32_t clock, barrierClock;
    Thread* current;
    // The lowest address of the current thread's stack.
    uintptr_t currentStack;
    void* schedulerStack;
    Thread threads[MAX_THREADS];
    Warp warps[MAX_THREADS / WARP_LANES];
    char* stacks;
    Region staticShared, dynamicShared;
    // The part of the static shared memory that the block has written.
    size_t writtenFrom, writtenTo;

    // Where the dynamic shared memory begins if the two follow each other, a multiple of any vector's size.
    size_t dynamicOffset() const { return (staticShared.bytes + 15) / 16 * 16; }
};

// Hidden: no other library has one, so the compiler can reach it directly.
extern __attribute__((visibility("hidden"))) Block block;

// The file without its folders.
const char* fileName(const Site& site);

// Leaves the running fiber; it goes on when the scheduler finds it ready.
void yieldToScheduler();

// Ends the launch with an error code and one line of text. Inside a fiber it does not return.
void failLaunch(int code, const char* format, ...) __attribute__((format(printf, 2, 3)));

// Completes a collective if every lane of the mask is there.
void completeCollective(Warp& warp, unsigned mask);

}  // namespace emulation
