// Barriers and warp collectives, seen from the fiber that calls them.
#include <cstring>

#include "access_check.h"
#include "block.h"

namespace emulation {

namespace {

// What a shuffle gives that reads a lane which does not take part: CUDA leaves it undefined.
constexpr uint64_t UNDEFINED_VALUE = UINT64_MAX;

bool sameSite(const Site& a, const Site& b) { return a.line == b.line && strcmp(a.file, b.file) == 0; }

// All lanes must be in the same call; __syncwarp may be met from different places.
const Thread* stranger(const Warp& warp, unsigned lanes) {
    const Thread& first = warp.threads[__builtin_ctz(lanes)];
    for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
        const Thread& thread = warp.threads[__builtin_ctz(rest)];
        if (thread.operation != first.operation
            || (first.operation != Collective::Sync && !sameSite(thread.site, first.site))) {
            return &thread;
        }
    }
    return nullptr;
}

void remember(Warp& warp, unsigned lanes) {
    block.clock++;
    if (lanes == (warp.present & ~warp.exited)) {
        warp.syncClock = block.clock;
        return;
    }
    for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
        Thread& thread = warp.threads[__builtin_ctz(rest)];
        thread.partMask = lanes;
        thread.partClock = block.clock;
    }
}

uint64_t resultFor(const Thread& thread, const Warp& warp, unsigned lanes, unsigned votes) {
    switch (thread.operation) {
        case Collective::Shuffle: {
            unsigned source = static_cast<unsigned>(thread.sourceLane) % WARP_LANES;
            return (lanes >> source & 1) != 0 ? warp.threads[source].value : UNDEFINED_VALUE;
        }
        case Collective::Ballot:
            return votes;
        case Collective::Any:
            return votes != 0;
        case Collective::All:
            return votes == lanes;
        case Collective::Sync:
            return 0;
    }
    return 0;
}

}  // namespace

void completeCollective(Warp& warp, unsigned mask) {
    unsigned lanes = mask & warp.present & ~warp.exited;
    if ((warp.waiting & lanes) != lanes) {
        return;
    }
    unsigned votes = 0;
    for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
        const Thread& thread = warp.threads[__builtin_ctz(rest)];
        if (thread.mask != mask) {
            return;
        }
        votes |= thread.value != 0 ? rest & -rest : 0;
    }
    const Thread& first = warp.threads[__builtin_ctz(lanes)];
    if (const Thread* other = stranger(warp, lanes); other != nullptr) {
        failLaunch(LAUNCH_FAILED, "lanes of one warp meet in different collectives: lane %u at %s:%d, lane %u at %s:%d",
                   first.lane, fileName(first.site), first.site.line, other->lane, fileName(other->site),
                   other->site.line);
        return;
    }
    if (first.operation == Collective::Sync) {
        remember(warp, lanes);
    }
    for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
        Thread& thread = warp.threads[__builtin_ctz(rest)];
        thread.result = resultFor(thread, warp, lanes, votes);
        thread.state = ThreadState::Ready;
    }
    warp.waiting &= ~lanes;
}

uint64_t collective(Collective operation, unsigned mask, uint64_t value, int sourceLane, Site site) {
    Thread& thread = *block.current;
    if ((mask >> thread.lane & 1) == 0) {
        failLaunch(LAUNCH_FAILED, "lane %u is not in its own mask %08x at %s:%d", thread.lane, mask, fileName(site),
                   site.line);
    }
    thread.operation = operation;
    thread.mask = mask;
    thread.value = value;
    thread.sourceLane = sourceLane;
    thread.site = site;
    thread.state = ThreadState::InCollective;
    thread.warp->waiting |= 1u << thread.lane;
    completeCollective(*thread.warp, mask);
    if (thread.state != ThreadState::Ready) {
        yieldToScheduler();
    }
    return thread.result;
}

int barrier(Barrier kind, int predicate, Site site) {
    Thread& thread = *block.current;
    thread.barrier = kind;
    thread.value = static_cast<uint64_t>(predicate);
    thread.site = site;
    thread.state = ThreadState::AtBarrier;
    block.atBarrier++;
    block.predicateSum += predicate;
    yieldToScheduler();
    return block.barrierResult;
}

unsigned activeMask() {
    // Lanes run one by one between collectives, which is one of the answers that the hardware may give.
    return 1u << block.current->lane;
}

void trap(Site site) {
    failLaunch(ILLEGAL_INSTRUCTION, "trap at %s:%d", fileName(site), site.line);
    __builtin_unreachable();
}

void yield() {
    // Far more than any lock of ours can need: whoever still spins waits for something that never comes.
    constexpr unsigned MAX_SPINS = 1'000'000;
    if (++block.spins > MAX_SPINS) {
        failLaunch(LAUNCH_FAILED, "deadlock: a compare-and-swap has failed %u times in this block", MAX_SPINS);
    }
    block.current->state = ThreadState::Spinning;
    yieldToScheduler();
}

}  // namespace emulation
