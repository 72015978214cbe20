#include "launch.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "access_check.h"
#include "random.h"
#include "shared_races.h"

extern "C" void emulation_switch(void** saveStackPointer, void* targetStackPointer);

namespace emulation {

Block block;

namespace {

constexpr size_t PAGE_BYTES = 4096;

LaunchFailure failure;

// Stacks with an inaccessible page below each, and the dynamic shared memory; once per process.
void reserveMemory() {
    auto map = [](size_t bytes) {
        void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            perror("cuda emulation: mmap");
            abort();
        }
        return static_cast<char*>(memory);
    };
    block.stacks = map(STACK_BYTES * MAX_THREADS);
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        mprotect(block.stacks + i * STACK_BYTES, PAGE_BYTES, PROT_NONE);
    }
    block.dynamicShared.start = reinterpret_cast<uintptr_t>(map(MAX_SHARED_BYTES));
}

void threadMain() {
    block.kernel->invoke(block.kernel->function, block.arguments, block.kernel->parameters.data());
    Thread& thread = *block.current;
    thread.state = ThreadState::Exited;
    thread.warp->exited |= 1u << thread.lane;
    block.exited++;
    yieldToScheduler();
    abort();
}

void* freshStack(unsigned number) {
    auto** top = reinterpret_cast<void**>(block.stacks + (number + 1) * STACK_BYTES);
    *--top = nullptr;  // keeps the alignment that a function expects at its entry
    *--top = reinterpret_cast<void*>(threadMain);
    constexpr int SAVED_REGISTERS = 6;
    for (int i = 0; i < SAVED_REGISTERS; i++) {
        *--top = nullptr;
    }
    return top;
}

// NaN for every floating-point type, -1 for int: what was not written in this block is not zero. Of the static
// memory, which belongs to all kernels of the library, only what the last block wrote needs it.
void poisonShared(const Region& staticShared) {
    constexpr int POISON = 0xFF;
    if (staticShared.start != block.staticShared.start) {
        memset(reinterpret_cast<void*>(staticShared.start), POISON, staticShared.bytes);
    } else if (block.writtenFrom < block.writtenTo) {
        void* first = reinterpret_cast<void*>(staticShared.start + block.writtenFrom);
        memset(first, POISON, block.writtenTo - block.writtenFrom);
    }
    memset(reinterpret_cast<void*>(block.dynamicShared.start), POISON, block.dynamicShared.bytes);
    block.writtenFrom = staticShared.bytes;
    block.writtenTo = 0;
    block.staticShared = staticShared;
    reserveHistory();
}

void startBlock(const Region& staticShared) {
    const uint3& shape = block.shape.block;
    block.threadCount = shape.x * shape.y * shape.z;
    block.exited = block.atBarrier = block.spins = 0;
    block.predicateSum = 0;
    block.barrierClock = ++block.clock;
    poisonShared(staticShared);
    for (unsigned i = 0; i < block.threadCount; i++) {
        Warp& warp = block.warps[i / WARP_LANES];
        Thread& thread = block.threads[i];
        if (i % WARP_LANES == 0) {
            warp = Warp{&thread, 0, 0, 0, block.clock};
        }
        thread = Thread{};
        thread.stackPointer = freshStack(i);
        thread.index = {i % shape.x, i / shape.x % shape.y, i / shape.x / shape.y};
        thread.lane = static_cast<uint8_t>(i % WARP_LANES);
        thread.number = static_cast<uint16_t>(i);
        thread.warp = &warp;
        warp.present |= 1u << thread.lane;
    }
}

void resume(Thread& thread) {
    block.current = &thread;
    block.currentStack = reinterpret_cast<uintptr_t>(block.stacks) + thread.number * STACK_BYTES;
    emulation_switch(&block.schedulerStack, thread.stackPointer);
    block.current = nullptr;
}

// Runs the warp's lanes until none of them is ready; whether any was.
bool runWarp(Warp& warp, Random& random, std::vector<unsigned>& order) {
    bool progress = false;
    for (bool again = true; again;) {
        again = false;
        random.permutation(order, __builtin_popcount(warp.present));
        for (unsigned lane : order) {
            Thread& thread = warp.threads[lane];
            if (thread.state == ThreadState::Ready) {
                resume(thread);
                if (failure.code != 0) {
                    return true;
                }
                again = progress = true;
            }
        }
        // A lane that exited may have been the last one that others waited for.
        unsigned waiting = warp.waiting;
        for (unsigned rest = waiting; rest != 0 && !again; rest &= rest - 1) {
            completeCollective(warp, warp.threads[__builtin_ctz(rest)].mask);
            again = warp.waiting != waiting;
        }
    }
    return progress;
}

// Lets everybody who waits at the barrier go on.
void releaseBarrier() {
    const Thread* first = nullptr;
    bool all = true;
    for (unsigned i = 0; i < block.threadCount; i++) {
        Thread& thread = block.threads[i];
        if (thread.state != ThreadState::AtBarrier) {
            continue;
        }
        if (first == nullptr) {
            first = &thread;
        } else if (first->site.line != thread.site.line || strcmp(first->site.file, thread.site.file) != 0) {
            failLaunch(LAUNCH_FAILED,
                       "threads of one block wait at different barriers: (%u,%u,%u) at %s:%d, (%u,%u,%u) at %s:%d",
                       first->index.x, first->index.y, first->index.z, fileName(first->site), first->site.line,
                       thread.index.x, thread.index.y, thread.index.z, fileName(thread.site), thread.site.line);
            return;
        }
        all = all && thread.value != 0;
        thread.state = ThreadState::Ready;
    }
    bool isAnd = first->barrier == Barrier::And;
    block.barrierResult = isAnd ? all : first->barrier == Barrier::Or ? block.predicateSum != 0 : block.predicateSum;
    block.predicateSum = 0;
    block.atBarrier = 0;
    block.barrierClock = ++block.clock;
}

void reportDeadlock() {
    unsigned inCollective = 0;
    const Thread* barrierExample = nullptr;
    const Thread* collectiveExample = nullptr;
    for (unsigned i = 0; i < block.threadCount; i++) {
        const Thread& thread = block.threads[i];
        if (thread.state == ThreadState::AtBarrier && barrierExample == nullptr) {
            barrierExample = &thread;
        } else if (thread.state == ThreadState::InCollective) {
            inCollective++;
            collectiveExample = collectiveExample == nullptr ? &thread : collectiveExample;
        }
    }
    auto describe = [](unsigned waiting, const char* where, const Thread& example) {
        const uint3& index = example.index;
        return "; " + std::to_string(waiting) + " wait " + where + ", thread (" + std::to_string(index.x) + ","
               + std::to_string(index.y) + "," + std::to_string(index.z) + ") of them at "
               + fileName(example.site) + ":" + std::to_string(example.site.line);
    };
    std::string text;
    if (collectiveExample != nullptr) {
        const Thread& t = *collectiveExample;
        unsigned absent = t.mask & t.warp->present & ~t.warp->exited & ~t.warp->waiting;
        char lanes[32];
        snprintf(lanes, sizeof lanes, " for lanes %08x", absent != 0 ? absent : t.mask);
        text += describe(inCollective, "in a warp collective", t) + lanes;
    }
    if (barrierExample != nullptr) {
        text += describe(block.atBarrier, "at a barrier", *barrierExample);
    }
    failLaunch(LAUNCH_FAILED, "deadlock: %u of %u threads have exited%s", block.exited, block.threadCount,
               text.c_str());
}

void runBlock(Random& random) {
    startBlock(staticShared(*block.kernel->library));
    unsigned warpCount = (block.threadCount + WARP_LANES - 1) / WARP_LANES;
    static std::vector<unsigned> warpOrder, laneOrder;
    while (block.exited < block.threadCount && failure.code == 0) {
        bool progress = false;
        for (unsigned i = 0; i < block.threadCount; i++) {
            if (block.threads[i].state == ThreadState::Spinning) {
                block.threads[i].state = ThreadState::Ready;
            }
        }
        random.permutation(warpOrder, warpCount);
        for (size_t i = 0; i < warpCount && failure.code == 0; i++) {
            progress = runWarp(block.warps[warpOrder[i]], random, laneOrder) || progress;
        }
        if (failure.code != 0) {
            return;
        }
        if (block.atBarrier > 0 && block.atBarrier + block.exited == block.threadCount) {
            releaseBarrier();
        } else if (!progress) {
            reportDeadlock();
        }
    }
}

}  // namespace

const char* fileName(const Site& site) {
    const char* slash = strrchr(site.file, '/');
    return slash == nullptr ? site.file : slash + 1;
}

void yieldToScheduler() { emulation_switch(&block.current->stackPointer, block.schedulerStack); }

void failLaunch(int code, const char* format, ...) {
    // Long enough for a path and a kernel's name; what is longer is cut off.
    char text[1000];
    int used = snprintf(text, sizeof text, "cuda emulation: kernel %s, block (%u,%u,%u)", block.kernel->name.c_str(),
                        block.index.x, block.index.y, block.index.z);
    if (block.current != nullptr) {
        const uint3& index = block.current->index;
        used += snprintf(text + used, sizeof text - used, ", thread (%u,%u,%u)", index.x, index.y, index.z);
    }
    used += snprintf(text + used, sizeof text - used, ": ");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - used, format, arguments);
    va_end(arguments);
    failure.code = code;
    failure.line.assign(text);
    if (block.current != nullptr) {
        yieldToScheduler();
        abort();
    }
}

LaunchFailure runLaunch(const Kernel& kernel, const LaunchShape& shape, const char* arguments, uint64_t seed) {
    if (block.stacks == nullptr) {
        reserveMemory();
    }
    failure = {};
    block.kernel = &kernel;
    block.arguments = arguments;
    block.shape = shape;
    block.dynamicShared.bytes = shape.sharedBytes;
    Random random(seed);
    std::vector<unsigned> order;
    random.permutation(order, static_cast<size_t>(shape.grid.x) * shape.grid.y * shape.grid.z);
    for (unsigned number : order) {
        block.index = {number % shape.grid.x, number / shape.grid.x % shape.grid.y,
                       number / shape.grid.x / shape.grid.y};
        runBlock(random);
        if (failure.code != 0) {
            break;
        }
    }
    return failure;
}

uint3 threadIndex() { return block.current->index; }
uint3 blockIndex() { return block.index; }
uint3 blockShape() { return block.shape.block; }
uint3 gridShape() { return block.shape.grid; }
int laneIndex() { return block.current->lane; }
void* dynamicShared() { return reinterpret_cast<void*>(block.dynamicShared.start); }

}  // namespace emulation
