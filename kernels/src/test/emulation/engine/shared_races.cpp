#include "shared_races.h"

#include <vector>

namespace emulation {

namespace {

// clock 0 is before every barrier: nobody yet.
struct Touch {
    uint32_t clock;
    uint16_t thread;
    Access access;
};

struct ByteHistory {
    Touch write, read, otherRead;
};

std::vector<ByteHistory> history;

bool isOrdered(const Touch& earlier, const Thread& now) {
    if (earlier.clock < block.barrierClock || earlier.thread == now.number) {
        return true;
    }
    const Thread& other = block.threads[earlier.thread];
    if (other.warp != now.warp) {
        return false;
    }
    bool inPart = (now.partMask >> other.lane & 1) != 0;
    return earlier.clock < now.warp->syncClock || (inPart && earlier.clock < now.partClock);
}

void rememberRead(ByteHistory& byte, const Touch& touch, const Thread& now) {
    if (byte.read.thread == touch.thread || isOrdered(byte.read, now)) {
        byte.read = touch;
    } else {
        byte.otherRead = touch;
    }
}

}  // namespace

void checkRace(size_t offset, size_t bytes, Access access, void* caller) {
    if (history.size() < block.staticShared.bytes + MAX_SHARED_BYTES) {
        history.resize(block.staticShared.bytes + MAX_SHARED_BYTES);
    }
    const Thread& now = *block.current;
    Touch touch{block.clock, now.number, access};
    for (size_t i = offset; i < offset + bytes; i++) {
        ByteHistory& byte = history[i];
        bool bothAtomic = access == Access::Atomic && byte.write.access == Access::Atomic;
        if (!bothAtomic && !isOrdered(byte.write, now)) {
            reportRace(i, access, block.threads[byte.write.thread], byte.write.access, caller);
        }
        if (access == Access::Read) {
            rememberRead(byte, touch, now);
            continue;
        }
        for (const Touch& read : {byte.read, byte.otherRead}) {
            if (!isOrdered(read, now)) {
                reportRace(i, access, block.threads[read.thread], Access::Read, caller);
            }
        }
        byte.write = touch;
    }
}

}  // namespace emulation
